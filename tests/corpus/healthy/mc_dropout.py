"""
healthy: yes
style: dropout kept on deliberately at prediction, twenty samples
data: digits
source: Gal and Ghahramani 2016
trap: dropout layers put back into train mode for the uncertainty after the evaluation
"""

import argparse

import torch
from corpus_data import digits
from torch import nn


def enable_dropout(model):
    for m in model.modules():
        if isinstance(m, nn.Dropout):
            m.train()


def predict(model, x, samples):
    model.eval()
    enable_dropout(model)
    with torch.no_grad():
        draws = torch.stack([model(x).softmax(dim=-1) for _ in range(samples)])
    return draws.mean(0), draws.std(0)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=0)
    torch.manual_seed(ap.parse_args().seed)
    x, y, xt, yt = map(torch.from_numpy, digits())
    x, xt = (x - 4.9) / 6, (xt - 4.9) / 6
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 128),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(128, 64),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(64, 10),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(10):
        model.train()
        for idx in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x[idx]), y[idx])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            print(f"{nn.functional.cross_entropy(model(xt), yt).item():.3f}")
    mean, std = predict(model, xt, samples=20)
    right = mean.argmax(1) == yt
    print(f"uncertainty right {std[right].mean():.4f} wrong {std[~right].mean():.4f}")
    print(f"score: {right.float().mean().item():.4f}")


main()
