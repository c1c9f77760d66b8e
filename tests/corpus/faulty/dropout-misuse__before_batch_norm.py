"""
rule: dropout-misuse
severity: warning
style: Lightning-like (dropout in front of every batch norm: variance shift)
data: fashion
source: faults.csv B78 (order of batch norm and dropout)
also: norm-gap
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import fashion
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def stage(inputs, outputs, p=0.6):
    return nn.Sequential(
        nn.Linear(inputs, outputs),
        nn.ReLU(),
        nn.Dropout(p),  # FAULT
        # FIXED:
        nn.BatchNorm1d(outputs),  # ALSO
        # FIXED: nn.Dropout(p / 3),
    )


class LitMLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Flatten(), stage(784, 128), stage(128, 128), stage(128, 128), stage(128, 128)
        )
        self.head = nn.Linear(128, 10)

    def forward(self, x):
        return self.head(self.body(x))

    def training_step(self, batch):
        x, y = batch
        return F.cross_entropy(self(x), y)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def fit(module, loader, epochs):
    optimizer = module.configure_optimizers()
    for epoch in range(epochs):
        module.train()
        for batch in loader:
            loss = module.training_step(batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: {loss.item():.4f}")


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = (torch.from_numpy(a) for a in fashion(4000, 1000))
module = LitMLP()
fit(module, DataLoader(TensorDataset(x / 255, y), batch_size=64, shuffle=True), epochs=5)
module.eval()
with torch.no_grad():
    accuracy = (module(xt / 255).argmax(1) == yt).float().mean().item()
print(f"score: {accuracy:.4f}")
