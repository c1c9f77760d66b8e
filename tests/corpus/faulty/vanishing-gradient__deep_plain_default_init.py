"""
rule: vanishing-gradient
severity: error
style: Lightning-like
data: digits
source: faults.csv B75 (deep, without norms or shortcuts: default weights shrink under ReLU)
also: not-learning, init-scale, collapsed-output, lr-too-low
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn


class DeepPlain(nn.Module):
    def __init__(self, depth=24, width=64):
        super().__init__()
        self.first = nn.Linear(64, width)
        self.hidden = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])  # FAULT
        # FIXED: self.hidden = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        # FIXED: self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(depth)])
        self.last = nn.Linear(width, 10)

    def forward(self, x):
        x = F.relu(self.first(x))
        for layer in self.hidden:
            x = F.relu(layer(x))  # FAULT
            # FIXED: x = x + F.relu(layer(self.norms[list(self.hidden).index(layer)](x)))
        return self.last(x)

    def training_step(self, batch):
        images, labels = batch
        return F.cross_entropy(self(images), labels)  # ALSO

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.02, momentum=0.9)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = (torch.from_numpy(a) for a in digits())
x, xt = x.flatten(1) / 8 - 0.6, xt.flatten(1) / 8 - 0.6
module = DeepPlain()
optimizer = module.configure_optimizers()
for epoch in range(6):
    for idx in torch.randperm(len(x)).split(64):
        loss = module.training_step((x[idx], y[idx]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    print("score:", (module(xt).argmax(1) == yt).float().mean().item())
