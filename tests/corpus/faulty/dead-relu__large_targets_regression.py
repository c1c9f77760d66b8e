"""
rule: dead-relu
severity: error
style: functional, regression
data: generated prices
source: faults.csv A13 (targets in the hundreds, a rate to match: giant steps, then a constant)
also: lr-too-high, exploding-gradient, not-learning, collapsed-output
"""

import argparse

import torch
import torch.nn.functional as F
from torch import nn


def flats(n):
    x = torch.randn(n, 6)
    price = 350 + 60 * x[:, 0] - 40 * x[:, 1] + 25 * x[:, 2] * x[:, 3] + 10 * torch.randn(n)
    return x, price.unsqueeze(1)


def fit(model, x, y, epochs=20):
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)  # FAULT
    # FIXED: optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(epochs):
        for idx in torch.randperm(len(x)).split(32):
            loss = F.smooth_l1_loss(model(x[idx]), y[idx])  # ALSO
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()  # ALSO
        if epoch % 5 == 0:
            print(f"epoch {epoch:3d} loss {loss.item():.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y = flats(1200)
    model = nn.Sequential(
        nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1)
    )  # ALSO
    fit(model, x[:1000], y[:1000])
    with torch.no_grad():
        error = F.l1_loss(model(x[1000:]), y[1000:]).item()
    print(f"score: {-error:.2f}")
