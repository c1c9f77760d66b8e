"""
rule: non-finite
severity: error
style: functional, hand-written loss
data: digits
source: faults.csv B37
also: not-learning, loss-input, lr-too-high
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn


def cross_entropy(logits, one_hot):
    probabilities = torch.softmax(logits, dim=1)  # ALSO
    return -(one_hot * torch.log(probabilities)).sum(dim=1).mean()  # FAULT
    # FIXED: return -(one_hot * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()


def train(model, x, one_hot, steps=400, lr=0.3):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    for step in range(steps):
        idx = torch.randint(len(x), (64,))
        loss = cross_entropy(model(x[idx]), one_hot[idx])  # ALSO
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"{step}: {loss.item():.4f}")
    return model


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x_train, y_train, x_test, y_test = map(torch.from_numpy, digits())
    x_train, x_test = x_train.flatten(1) / 8 - 0.6, x_test.flatten(1) / 8 - 0.6
    net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    net[2].weight.data *= 8
    train(net, x_train, F.one_hot(y_train, 10).float())
    with torch.no_grad():
        print("score:", (net(x_test).argmax(1) == y_test).float().mean().item())
