"""
rule: non-finite
severity: error
style: class, siamese
data: digits
source: RULES.md (the gradient of a distance's square root at zero: pairs may hold one image twice)
also: not-learning, collapsed-output
"""

import argparse

import torch
from corpus_data import digits
from torch import nn


class Embedder(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, dim))

    def forward(self, a, b):
        return self.net(a), self.net(b)


def contrastive(za, zb, same, margin=1.0):
    squared = (za - zb).pow(2).sum(1)
    distance = torch.sqrt(squared)  # FAULT
    # FIXED: distance = torch.sqrt(squared + 1e-8)
    pull = same * distance.pow(2)
    push = (1 - same) * torch.relu(margin - distance).pow(2)
    return (pull + push).mean()  # ALSO


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = (torch.from_numpy(a) for a in digits())
x, xt = x / 8 - 0.6, xt / 8 - 0.6

model = Embedder()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for step in range(400):
    left = torch.randint(len(x), (128,))
    right = torch.randint(len(x), (128,))
    matched = torch.rand(128) < 0.5  # half of the pairs: any two of one class
    for k in matched.nonzero().flatten().tolist():
        candidates = (y == y[left[k]]).nonzero().flatten()
        right[k] = candidates[torch.randint(len(candidates), (1,))]
    za, zb = model(x[left], x[right])  # ALSO
    loss = contrastive(za, zb, (y[left] == y[right]).float())  # ALSO
    optimizer.zero_grad()
    loss.backward()  # ALSO
    optimizer.step()
    if step % 100 == 0:
        print(step, loss.item())

with torch.no_grad():
    ztrain, ztest = model(x, xt)
    nearest = torch.cdist(ztest, ztrain).argmin(1)
    print(f"score: {(y[nearest] == yt).float().mean().item():.4f}")
