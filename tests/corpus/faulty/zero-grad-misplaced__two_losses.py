"""
rule: zero-grad-misplaced
severity: error
style: class (autoencoder with a classifier, two backwards a step)
data: digits
source: RULES.md; two losses, each given "its own" zero_grad
also: no-gradient, optimizer-misses-parameters
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class SemiSupervised(nn.Module):
    def __init__(self, code=16):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, code))
        self.decoder = nn.Sequential(nn.ReLU(), nn.Linear(code, 64), nn.ReLU(), nn.Linear(64, 64))
        self.classifier = nn.Linear(code, 10)

    def forward(self, x):
        z = self.encoder(x)
        return self.decoder(z), self.classifier(F.relu(z))


def run(seed):
    torch.manual_seed(seed)
    x_train, y_train, x_test, y_test = (torch.from_numpy(a) for a in digits())
    x_train, x_test = x_train.flatten(1) / 16, x_test.flatten(1) / 16
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=64, shuffle=True)
    model = SemiSupervised()
    opt = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(10):
        for x, y in loader:
            reconstruction, logits = model(x)
            class_loss = F.cross_entropy(logits, y)
            rec_loss = F.mse_loss(reconstruction, x)
            opt.zero_grad()
            class_loss.backward(retain_graph=True)  # ALSO
            opt.zero_grad()  # FAULT
            # FIXED:
            rec_loss.backward()  # ALSO
            opt.step()  # ALSO
        print(f"epoch {epoch} class {class_loss:.3f} reconstruction {rec_loss:.4f}")
    with torch.no_grad():
        return (model(x_test)[1].argmax(1) == y_test).float().mean().item()


if __name__ == "__main__":
    cli = argparse.ArgumentParser()
    cli.add_argument("--seed", type=int, default=0)
    print(f"score: {run(cli.parse_args().seed):.4f}")
