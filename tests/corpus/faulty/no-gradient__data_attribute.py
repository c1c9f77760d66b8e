"""
rule: no-gradient
severity: error
style: class (residual MLP, activations clipped through .data)
data: digits
source: RULES.md (.data); code carried over from the days of Variable
also: optimizer-misses-parameters
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.lin1 = nn.Linear(width, width)
        self.lin2 = nn.Linear(width, width)

    def forward(self, x):
        return F.relu(x + self.lin2(F.relu(self.lin1(x))))


class ResMLP(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.stem = nn.Linear(64, width)  # ALSO
        self.block1 = Block(width)  # ALSO
        self.block2 = Block(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = self.block1(x)
        # keep the activations in a sane range
        x = x.data.clamp(max=6.0)  # FAULT
        # FIXED: x = x.clamp(max=6.0)
        x = self.block2(x)
        return self.head(x)


class Runner:
    def __init__(self, model, lr):
        self.model = model
        self.optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    def fit(self, x, y, epochs, batch_size):
        for epoch in range(epochs):
            for index in torch.randperm(len(x)).split(batch_size):
                loss = F.cross_entropy(self.model(x[index]), y[index])
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
            print(f"[{epoch}] {loss.item():.4f}")

    def score(self, x, y):
        with torch.no_grad():
            return (self.model(x).argmax(1) == y).float().mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x_tr, y_tr, x_te, y_te = (torch.from_numpy(a) for a in digits())
    runner = Runner(ResMLP(), lr=2e-3)
    runner.fit(x_tr.flatten(1) / 16 - 0.3, y_tr, epochs=12, batch_size=32)
    print(f"score: {runner.score(x_te.flatten(1) / 16 - 0.3, y_te):.4f}")
