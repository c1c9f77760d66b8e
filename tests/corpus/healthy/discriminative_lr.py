"""
healthy: yes
style: parameter groups with their own learning rates, gradual unfreezing
data: digits
source: Howard and Ruder 2018
trap: one group at a hundredth of the other's lr; groups added to an optimizer later
"""

import argparse

import torch
from corpus_data import digits
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 64), nn.ReLU())
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.head(self.body(x))


def run_epoch(model, optimizer, x, y):
    model.train()
    total = 0.0
    for idx in torch.randperm(len(x)).split(64):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[idx]), y[idx])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
    return total / len(x)


def check(model, x, y):
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
torch.manual_seed(ap.parse_args().seed)
x, y, xt, yt = (torch.tensor(a) for a in digits())
x, xt = ((x - 4.9) / 6.0).flatten(1), ((xt - 4.9) / 6.0).flatten(1)
even = y % 2

model = Model()
pretext = nn.Linear(64, 2)
pre = torch.optim.Adam([*model.body.parameters(), *pretext.parameters()], lr=2e-3)
for _ in range(3):
    for idx in torch.randperm(len(x)).split(64):
        loss = nn.functional.cross_entropy(pretext(model.body(x[idx])), even[idx])
        pre.zero_grad()
        loss.backward()
        pre.step()

model.body.requires_grad_(False)
optimizer = torch.optim.Adam(model.head.parameters(), lr=5e-3)
for _ in range(2):
    print(f"head only: {run_epoch(model, optimizer, x, y):.3f}")
model.body.requires_grad_(True)
optimizer.add_param_group({"params": model.body.parameters(), "lr": 3e-4})
for _ in range(8):
    print(f"all: {run_epoch(model, optimizer, x, y):.3f}")
print(f"score: {check(model, xt, yt):.4f}")
