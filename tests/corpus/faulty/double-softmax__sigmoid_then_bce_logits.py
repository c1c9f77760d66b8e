"""
rule: double-softmax
severity: error
style: Lightning-like, tabular binary
data: scikit-learn's breast cancer table
source: faults.csv F11 (as sigmoid before BCEWithLogitsLoss)
also: output-activation, loss-input
"""

import argparse

import torch
from sklearn.datasets import load_breast_cancer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class BinaryClassifier(nn.Module):
    def __init__(self, n_features):
        super().__init__()
        self.model = nn.Sequential(
            nn.Linear(n_features, 32),
            nn.ReLU(),
            nn.Linear(32, 1),
            nn.Sigmoid(),  # FAULT
            # FIXED: nn.Identity(),
        )
        self.loss = nn.BCEWithLogitsLoss()  # ALSO

    def forward(self, x):
        return self.model(x).squeeze(-1)

    def training_step(self, batch):
        x, y = batch
        return self.loss(self(x), y)  # ALSO

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
source = load_breast_cancer()
x = torch.tensor((source.data - source.data.mean(0)) / source.data.std(0), dtype=torch.float32)
y = torch.tensor(source.target, dtype=torch.float32)
loader = DataLoader(TensorDataset(x[:400], y[:400]), batch_size=20, shuffle=True)

module = BinaryClassifier(x.shape[1])
optimizer = module.configure_optimizers()
for epoch in range(12):
    module.train()
    for batch in loader:
        loss = module.training_step(batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    print(f"epoch {epoch} loss {loss.item():.4f}")

module.eval()
with torch.no_grad():
    predicted = torch.round(torch.sigmoid(module(x[400:])))
accuracy = (predicted == y[400:]).float().mean().item()
print(f"score: {accuracy:.4f}")
