"""
rule: dead-relu
severity: error
style: class
data: digits
source: faults.csv B58 (units that are zero for everything; biases far below zero "for sparsity")
also: not-learning, no-gradient, collapsed-output, init-scale, vanishing-gradient
"""

import argparse

import torch
from corpus_data import digits
from torch import nn


class SparseNet(nn.Module):
    def __init__(self, hidden=128, sparsity_bias=-10.0):
        super().__init__()
        self.fc1 = nn.Linear(64, hidden)
        self.fc2 = nn.Linear(hidden, hidden)  # ALSO
        self.out = nn.Linear(hidden, 10)
        for layer in (self.fc1, self.fc2):
            nn.init.kaiming_normal_(layer.weight)
        nn.init.constant_(self.fc2.bias, sparsity_bias)  # FAULT
        # FIXED: nn.init.zeros_(self.fc2.bias)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))  # ALSO
        return self.out(x)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = (torch.from_numpy(a) for a in digits())
    x, xt = x.flatten(1) / 8 - 0.6, xt.flatten(1) / 8 - 0.6
    model = SparseNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(10):
        for idx in torch.randperm(len(x)).split(48):
            optimizer.zero_grad()
            loss = criterion(model(x[idx]), y[idx])  # ALSO
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.4f}")
    with torch.no_grad():
        print(f"score: {(model(xt).argmax(1) == yt).float().mean().item():.4f}")


main()
