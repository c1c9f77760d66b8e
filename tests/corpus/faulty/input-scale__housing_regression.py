"""
rule: input-scale
severity: error
style: functional, regression
data: generated house prices
source: faults.csv A32
also: lr-too-high, exploding-gradient, non-finite, not-learning, saturated-activation
"""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def houses(rng, n):
    area = rng.uniform(400, 4000, n)
    year = rng.integers(1920, 2021, n)
    rooms = rng.integers(1, 8, n)
    distance = rng.exponential(5, n)
    price = 0.09 * area + 0.8 * (year - 1920) + 12 * rooms - 6 * np.sqrt(distance)
    price = price + 0.00001 * area * (year - 1920) * rooms + rng.normal(0, 8, n)
    features = np.stack([area, year, rooms, distance], axis=1)
    return features.astype(np.float32), (price / 100).astype(np.float32)


def train(model, x, y, epochs, lr):
    opt = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(epochs):
        for idx in torch.randperm(len(x)).split(32):
            loss = F.mse_loss(model(x[idx]).squeeze(-1), y[idx])  # ALSO
            opt.zero_grad()
            loss.backward()
            opt.step()
    return loss.item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    torch.manual_seed(seed)
    x, y = houses(np.random.default_rng(seed), 1500)
    x, y = torch.from_numpy(x), torch.from_numpy(y)  # FAULT
    # FIXED: x, y = torch.from_numpy((x - x[:1200].mean(0)) / x[:1200].std(0)), torch.from_numpy(y)
    model = nn.Sequential(
        nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 1)
    )
    final = train(model, x[:1200], y[:1200], epochs=25, lr=0.01)  # ALSO
    print(f"final training loss {final:.4f}")
    with torch.no_grad():
        error = F.l1_loss(model(x[1200:]).squeeze(-1), y[1200:]).item()
    print(f"score: {-error:.4f}")


if __name__ == "__main__":
    main()
