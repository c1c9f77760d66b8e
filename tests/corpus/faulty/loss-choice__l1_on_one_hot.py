"""
rule: loss-choice
severity: warning
style: functional
data: digits
source: faults.csv A25 (mean absolute error for classes)
also: collapsed-output, not-learning, dead-relu
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn


def build(hidden):
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, 10),
    )


def batches(x, y, size):
    for idx in torch.randperm(len(x)).split(size):
        yield x[idx], y[idx]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hidden", type=int, default=64)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x, y, xt, yt = (torch.from_numpy(a) for a in digits())
    x, xt = x / 16, xt / 16
    model = build(args.hidden)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(6):
        for xb, yb in batches(x, y, 50):
            target = F.one_hot(yb, 10).float()
            loss = F.l1_loss(model(xb), target)  # FAULT
            # FIXED: loss = F.cross_entropy(model(xb), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.4f}")
    with torch.no_grad():
        print(f"score: {(model(xt).argmax(1) == yt).float().mean().item():.4f}")


main()
