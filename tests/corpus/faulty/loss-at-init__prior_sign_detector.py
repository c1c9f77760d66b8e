"""
rule: loss-at-init
severity: warning
style: functional, imbalanced binary
data: generated, 2 % positives
source: RULES.md (the prior of a focal-loss head, its bias with the wrong sign)
"""

import argparse
import math

import torch
import torch.nn.functional as F
from torch import nn


def make_data(n, gen):
    x = torch.randn(n, 20, generator=gen)
    logit = 2 * x[:, 0] - 1.5 * x[:, 1] * x[:, 2] + x[:, 3] - 6.3
    y = (torch.rand(n, generator=gen) < torch.sigmoid(logit)).float()
    return x, y


def build(prior=0.02):
    net = nn.Sequential(
        nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)
    )  # ALSO
    nn.init.zeros_(net[-1].weight)
    nn.init.constant_(net[-1].bias, math.log((1 - prior) / prior))  # FAULT
    # FIXED: nn.init.constant_(net[-1].bias, -math.log((1 - prior) / prior))
    return net


def evaluate(net, x, y):
    with torch.no_grad():
        return F.binary_cross_entropy_with_logits(net(x).squeeze(1), y).item()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
seed = parser.parse_args().seed
torch.manual_seed(seed)
generator = torch.Generator().manual_seed(seed + 100)
x_train, y_train = make_data(8000, generator)
x_val, y_val = make_data(4000, generator)

net = build()
optimizer = torch.optim.SGD(net.parameters(), lr=0.005)
for epoch in range(2):
    for idx in torch.randperm(len(x_train), generator=generator).split(64):
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(
            net(x_train[idx]).squeeze(1), y_train[idx]
        )  # ALSO
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: validation loss {evaluate(net, x_val, y_val):.4f}")
print(f"score: {-evaluate(net, x_val, y_val):.5f}")
