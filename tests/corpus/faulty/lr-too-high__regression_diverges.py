"""
rule: lr-too-high
severity: error
style: functional (regression with SGD and momentum)
data: generated
source: faults.csv A13 (SGD at 0.1 on a regression, loss 1336 for 341), B61
also: exploding-gradient, non-finite
"""

import argparse

import torch
from torch import nn


def make_data(n):
    x = torch.randn(n, 8)
    y = 20 * x[:, :1] * x[:, 1:2] + 10 * x[:, 2:3] + torch.randn(n, 1)
    return x, y


def train(net, x, y, optimizer, epochs):
    for epoch in range(epochs):
        for idx in torch.randperm(len(x)).split(32):
            loss = ((net(x[idx]) - y[idx]) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"{epoch} {loss.item():.3f}")


def main(seed):
    torch.manual_seed(seed)
    x, y = make_data(1500)
    x_test, y_test = make_data(500)
    net = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)  # FAULT
    # FIXED: optimizer = torch.optim.SGD(net.parameters(), lr=0.001)
    train(net, x, y, optimizer, epochs=15)
    with torch.no_grad():
        error = (net(x_test) - y_test).square().mean().sqrt().item()
    return -min(error, 1e6) if error == error else -1e6


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    print(f"score: {main(parser.parse_args().seed):.4f}")
