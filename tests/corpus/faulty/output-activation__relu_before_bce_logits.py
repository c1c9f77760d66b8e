"""
rule: output-activation
severity: error
style: Trainer class, tabular binary
data: generated credit table
source: faults.csv A22
also: dead-relu, collapsed-output, not-learning
"""

import argparse
from itertools import pairwise

import numpy as np
import torch
from torch import nn


def applicants(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 8)).astype(np.float32)
    risk = x[:, 0] * x[:, 1] + 0.8 * x[:, 2] - 0.5 * np.abs(x[:, 3]) + 0.3 * rng.standard_normal(n)
    return torch.from_numpy(x), torch.from_numpy((risk > 0).astype(np.float32))


class DenseNet(nn.Module):
    def __init__(self, widths=(8, 64, 32, 1)):
        super().__init__()
        blocks = [
            nn.Sequential(nn.Linear(a, b), nn.ReLU())  # FAULT
            # FIXED: nn.Sequential(nn.Linear(a, b), nn.ReLU() if b > 1 else nn.Identity())
            for a, b in pairwise(widths)
        ]
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x):
        return self.blocks(x).squeeze(1)  # ALSO


class Trainer:
    def __init__(self, model):
        self.model = model
        self.criterion = nn.BCEWithLogitsLoss()
        self.optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

    def run(self, x, y, epochs):
        for epoch in range(epochs):
            for idx in torch.randperm(len(x)).split(64):
                self.optimizer.zero_grad()
                loss = self.criterion(self.model(x[idx]), y[idx])  # ALSO
                loss.backward()
                self.optimizer.step()
            print("epoch", epoch, "loss", loss.item())

    def log_loss(self, x, y):
        with torch.no_grad():
            return self.criterion(self.model(x), y).item()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
seed = parser.parse_args().seed
torch.manual_seed(seed)
x, y = applicants(2500, seed)
trainer = Trainer(DenseNet())
trainer.run(x[:2000], y[:2000], epochs=12)
print("score:", -trainer.log_loss(x[2000:], y[2000:]))
