"""
rule: loss-input
severity: error
style: class, multi-label
data: generated scenes of two digits
source: faults.csv B53; silenced by clamping the scores into 0..1 instead of squashing them
also: output-activation, no-gradient, not-learning, non-finite, dead-relu, loss-at-init
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn


class TwoDigits(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(128, 128)
        self.scores = nn.Linear(128, 10)

    def forward(self, pair):
        h = torch.relu(self.hidden(pair.flatten(1)))
        return self.scores(h)


def pairs(x, y, n):
    i, j = torch.randint(len(x), (n,)), torch.randint(len(x), (n,))
    tags = F.one_hot(y[i], 10) | F.one_hot(y[j], 10)
    return torch.cat([x[i], x[j]], dim=-1), tags.float()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = (torch.from_numpy(a) for a in digits())
train_x, train_t = pairs(x / 8 - 1, y, 2500)
val_x, val_t = pairs(xt / 8 - 1, yt, 600)

model = TwoDigits()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(10):
    order = torch.randperm(len(train_x))
    for k in range(0, len(order), 50):
        part = order[k : k + 50]
        # BCE complains about values outside [0, 1]
        p = model(train_x[part]).clamp(0, 1)  # FAULT
        # FIXED: p = model(train_x[part]).sigmoid()
        loss = F.binary_cross_entropy(p, train_t[part])  # ALSO
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

with torch.no_grad():
    best = model(val_x).topk(2).indices
print(f"score: {(val_t.gather(1, best).sum() / val_t.sum()).item():.4f}")
