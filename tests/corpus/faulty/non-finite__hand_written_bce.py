"""
rule: non-finite
severity: error
style: functional, hand-written loss
data: digits, 8 or not
source: faults.csv B37 (the logarithm of a probability that rounds to 0)
also: not-learning, loss-input, lr-too-high
"""

import argparse

import torch
from corpus_data import digits
from torch import nn


def binary_cross_entropy(logits, target):
    p = torch.sigmoid(logits)  # ALSO
    return -(target * torch.log(p) + (1 - target) * torch.log(1 - p)).mean()  # FAULT
    # FIXED: return nn.functional.binary_cross_entropy_with_logits(logits, target)


def train(model, x, target, epochs=150, lr=0.01):
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for epoch in range(epochs):
        for idx in torch.randperm(len(x)).split(64):
            loss = binary_cross_entropy(model(x[idx]).squeeze(1), target[idx])  # ALSO
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 25 == 0:
            print(f"epoch {epoch}: {loss.item():.5f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x_train, y_train, x_test, y_test = map(torch.from_numpy, digits())
    x_train, x_test = x_train.flatten(1) / 8 - 0.6, x_test.flatten(1) / 8 - 0.6
    eight = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 1))
    train(eight, x_train, (y_train == 8).float())
    with torch.no_grad():
        found = eight(x_test).squeeze(1) > 0
    truth = y_test == 8
    f1 = 2 * (found & truth).sum() / (found.sum() + truth.sum())
    print(f"score: {f1.item():.4f}")
