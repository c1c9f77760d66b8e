"""
healthy: yes
style: plain loop, hand-cut batches, numpy shuffling
data: digits
source: RULES.md
trap: 0..1 pixels with a third of the inputs always 0; He initialisation by hand
"""

import argparse
import math

import numpy as np
import torch
from corpus_data import digits
from torch import nn

ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
opts = ap.parse_args()
torch.manual_seed(opts.seed)
rng = np.random.default_rng(opts.seed)

xs, ys, xv, yv = digits()
xs, xv = xs.reshape(len(xs), -1) / 16.0, xv.reshape(len(xv), -1) / 16.0

net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
with torch.no_grad():
    for m in net:
        if isinstance(m, nn.Linear):
            m.weight.normal_(0, math.sqrt(2.0 / m.in_features))
            m.bias.zero_()
sgd = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
bs = 50
history = []
for _epoch in range(12):
    order = rng.permutation(len(xs))
    total = 0.0
    for start in range(0, len(order) - bs + 1, bs):
        pick = order[start : start + bs]
        inputs = torch.from_numpy(xs[pick])
        targets = torch.from_numpy(ys[pick])
        sgd.zero_grad()
        out = net(inputs)
        loss = nn.functional.cross_entropy(out, targets)
        loss.backward()
        sgd.step()
        total += float(loss)
    history.append(total / (len(order) // bs))
print("losses", " ".join(f"{h:.3f}" for h in history))
with torch.no_grad():
    guess = net(torch.from_numpy(xv)).argmax(1).numpy()
print(f"score: {(guess == yv).mean():.4f}")
