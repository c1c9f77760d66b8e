"""
rule: loss-at-init
severity: warning
style: class, cosine classifier
data: digits
source: RULES.md (a CLIP-like scale that is exponentiated but was not stored as a logarithm)
also: lr-too-high, init-scale
"""

import argparse
import math

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn


class CosineClassifier(nn.Module):
    def __init__(self, classes=10, width=64, temperature=0.1):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, width))
        self.prototypes = nn.Parameter(torch.randn(classes, width) / math.sqrt(width))
        self.logit_scale = nn.Parameter(torch.tensor(1 / temperature))  # FAULT
        # FIXED: self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / temperature)))

    def forward(self, x):
        z = F.normalize(self.body(x), dim=1)
        similarity = z @ F.normalize(self.prototypes, dim=1).t()
        return similarity * self.logit_scale.exp()  # ALSO


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = (torch.from_numpy(a) for a in digits())
x, xt = (x.flatten(1) - 4.9) / 6, (xt.flatten(1) - 4.9) / 6

model = CosineClassifier()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for epoch in range(8):
    for idx in torch.randperm(len(x)).split(64):
        loss = F.cross_entropy(model(x[idx]), y[idx])  # ALSO
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, round(loss.item(), 4))
with torch.no_grad():
    print(f"score: {(model(xt).argmax(1) == yt).float().mean().item():.4f}")
