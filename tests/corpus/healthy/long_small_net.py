"""
healthy: yes
style: plain loop of 2,500 steps, MultiStepLR, summary lines
data: generated (two moons)
source: RULES.md
trap: a loss that stalls at the noise of the labels long before the end; a small net; 10 % of
    the labels are wrong in the training data
"""

import argparse
import math

import torch
from torch import nn


def moons(n, noise=0.12):
    angle = torch.rand(n) * math.pi
    label = torch.randint(2, (n,))
    upper = torch.stack([angle.cos(), angle.sin()], 1)
    lower = torch.stack([1 - angle.cos(), 0.5 - angle.sin()], 1)
    points = torch.where(label.bool().unsqueeze(1), lower, upper)
    return (points - torch.tensor([0.5, 0.25])) * 1.4 + noise * torch.randn(n, 2), label


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--steps", type=int, default=2500)
    args = ap.parse_args()
    torch.manual_seed(args.seed)
    model = nn.Sequential(
        nn.Linear(2, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 2)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [1500, 2200], gamma=0.2)
    for step in range(1, args.steps + 1):
        points, label = moons(64)
        flipped = torch.where(torch.rand(64) < 0.1, 1 - label, label)
        loss = nn.functional.cross_entropy(model(points), flipped)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 500 == 0:
            print(f"step {step:>5}: {loss.item():.4f}")
    with torch.no_grad():
        points, label = moons(2000)
        print(f"score: {(model(points).argmax(1) == label).float().mean().item():.4f}")


main()
