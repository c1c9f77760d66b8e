"""
rule: leakage
severity: error
style: class (rare classes copied first, split at random afterwards)
data: digits
source: RULES.md; oversampling before train_test_split;
    copies of the same picture lie on both sides, the validation score is false
proof: logic
"""

import argparse

import numpy as np
import torch
from corpus_data import digits
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split


def oversample(x, y, times):
    rare = np.isin(y, [3, 8, 9])
    return np.concatenate([x] + [x[rare]] * times), np.concatenate([y] + [y[rare]] * times)


class DigitNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


class Run:
    def __init__(self, train_set, val_set):
        self.train_loader = DataLoader(train_set, batch_size=32, shuffle=True)  # ALSO
        self.val_loader = DataLoader(val_set, batch_size=128)  # ALSO
        self.net = DigitNet()
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=2e-3)

    def train(self):
        for x, y in self.train_loader:
            loss = F.cross_entropy(self.net(x), y)  # ALSO
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()

    @torch.no_grad()
    def validate(self):
        hits = [(self.net(x).argmax(1) == y).float() for x, y in self.val_loader]  # ALSO
        return torch.cat(hits).mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, _, _ = digits()
    x, y = oversample(x, y, times=3)  # FAULT
    # FIXED:
    data = TensorDataset(torch.from_numpy(x / 16), torch.from_numpy(y))
    n_val = len(data) // 5
    train_set, val_set = random_split(data, [len(data) - n_val, n_val])  # ALSO
    run = Run(train_set, val_set)
    for epoch in range(8):
        run.train()
        print(f"epoch {epoch}: {run.validate():.4f}")
    print(f"score: {run.validate():.4f}")
