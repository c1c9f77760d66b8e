"""
rule: weight-decay-too-high
severity: warning
style: functional (L2 penalty added to the loss, regression)
data: generated
source: faults.csv A44 (wrong regularisation), B67
also: not-learning, collapsed-output
"""

import argparse

import torch
import torch.nn.functional as F
from torch import nn

LAMBDA = 0.5  # FAULT
# FIXED: LAMBDA = 1e-5


def penalty(model):
    return sum(p.pow(2).sum() for p in model.parameters())  # ALSO


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x = torch.rand(1200, 3) * 4 - 2
    y = torch.sin(2 * x[:, :1]) * x[:, 1:2] + x[:, 2:]
    model = nn.Sequential(
        nn.Linear(3, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)  # ALSO
    for epoch in range(25):
        for rows in torch.randperm(1000).split(50):
            fit = F.mse_loss(model(x[rows]), y[rows])
            loss = fit + LAMBDA * penalty(model)  # ALSO
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 5 == 0:
            print(f"{epoch}: fit {fit.item():.4f} total {loss.item():.4f}")
    with torch.no_grad():
        print(f"score: {-F.mse_loss(model(x[1000:]), y[1000:]).item():.4f}")


main()
