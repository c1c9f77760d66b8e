"""
rule: init-scale
severity: error
style: plain loop
data: digits
source: faults.csv B62
also: loss-at-init, exploding-gradient, lr-too-high
"""

import argparse
from itertools import pairwise

import torch
from corpus_data import digits
from torch import nn, optim

parser = argparse.ArgumentParser(description="six-layer perceptron")
parser.add_argument("--seed", default=0, type=int)
opts = parser.parse_args()
torch.manual_seed(opts.seed)

X, Y, Xv, Yv = map(torch.from_numpy, digits())
X, Xv = (X.flatten(1) - 4.88) / 6.0, (Xv.flatten(1) - 4.88) / 6.0

sizes = [64, 256, 256, 256, 256, 128, 10]
layers = []
for n_in, n_out in pairwise(sizes):
    linear = nn.Linear(n_in, n_out)  # ALSO
    nn.init.normal_(linear.weight)  # FAULT
    # FIXED: nn.init.kaiming_normal_(linear.weight)
    nn.init.zeros_(linear.bias)
    layers += [linear, nn.ReLU()]
net = nn.Sequential(*layers[:-1])  # ALSO

optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
loss_function = nn.CrossEntropyLoss()
for epoch in range(10):
    net.train()
    for idx in torch.randperm(len(X)).split(32):
        optimizer.zero_grad()
        outputs = net(X[idx])  # ALSO
        loss = loss_function(outputs, Y[idx])  # ALSO
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        acc = (net(Xv).argmax(1) == Yv).float().mean().item()
    print(f"{epoch:2d} {loss.item():.4f} {acc:.4f}")

print(f"score: {acc:.4f}")
