"""
rule: label-misalignment
severity: error
style: functional (pictures by permutation, labels by slice)
data: digits
source: faults.csv B23 (labels out of sync)
also: not-learning
"""

import argparse
import itertools

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn


def init_params(sizes):
    params = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        params.append(nn.Parameter(torch.randn(fan_in, fan_out) * (2 / fan_in) ** 0.5))
        params.append(nn.Parameter(torch.zeros(fan_out)))
    return params


def forward(params, x):
    for w, b in zip(params[:-2:2], params[1:-2:2]):
        x = F.relu(x @ w + b)
    return x @ params[-2] + params[-1]


def train(params, x, y, epochs=12, batch=48, lr=0.1):
    optimizer = torch.optim.SGD(params, lr=lr, momentum=0.9)
    for epoch in range(epochs):
        order = torch.randperm(len(x))
        for start in range(0, len(x), batch):
            xb = x[order[start : start + batch]]  # ALSO
            yb = y[start : start + batch]  # FAULT
            # FIXED: yb = y[order[start : start + batch]]
            loss = F.cross_entropy(forward(params, xb), yb)  # ALSO
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, round(loss.item(), 4))


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x_train, y_train, x_test, y_test = map(torch.from_numpy, digits())
x_train, x_test = x_train.flatten(1) / 16, x_test.flatten(1) / 16
params = init_params([64, 64, 10])
train(params, x_train, y_train)
with torch.no_grad():
    accuracy = (forward(params, x_test).argmax(1) == y_test).float().mean().item()
print(f"score: {accuracy:.4f}")
