"""
healthy: yes
style: gradient of the loss with respect to the input, then a training step on what it gives
data: digits
source: Goodfellow et al. 2015
trap: an extra backward pass in each step; inputs that require a gradient
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.nn import functional as F


def fgsm(model, x, y, eps):
    x = x.clone().requires_grad_(True)
    (direction,) = torch.autograd.grad(F.cross_entropy(model(x), y), x)
    return (x + eps * direction.sign()).detach().clamp(0, 1)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=0)
    torch.manual_seed(ap.parse_args().seed)
    x, y, xt, yt = (torch.tensor(a) for a in digits())
    x, xt = x / 16, xt / 16
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(256, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(8):
        model.train()
        for idx in torch.randperm(len(x)).split(64):
            hard = fgsm(model, x[idx], y[idx], eps=0.08)
            loss = 0.5 * (
                F.cross_entropy(model(x[idx]), y[idx]) + F.cross_entropy(model(hard), y[idx])
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: {loss.item():.4f}")
    model.eval()
    attacked = fgsm(model, xt, yt, eps=0.08)
    with torch.no_grad():
        clean = (model(xt).argmax(1) == yt).float().mean().item()
        robust = (model(attacked).argmax(1) == yt).float().mean().item()
    print(f"clean {clean:.3f} attacked {robust:.3f}")
    print(f"score: {(clean + robust) / 2:.4f}")


main()
