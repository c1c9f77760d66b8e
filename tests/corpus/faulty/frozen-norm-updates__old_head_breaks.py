"""
rule: frozen-norm-updates
severity: warning
style: two heads (a second task learned on a frozen backbone; the first must keep working)
data: digits
source: pgniewko/gt-pyg#112, faults.csv B85, Lightning #15062
also: norm-gap
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn


def conv(cin, cout):
    return nn.Sequential(
        nn.Conv2d(cin, cout, 3, padding=1), nn.BatchNorm2d(cout), nn.ReLU()
    )  # ALSO


def fit(backbone, head, params, x, y, epochs):
    optimizer = torch.optim.Adam(params, lr=3e-3)
    for epoch in range(epochs):
        head.train()
        for idx in torch.randperm(len(x)).split(64):
            loss = F.cross_entropy(head(backbone(x[idx])), y[idx])  # ALSO
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: {loss.item():.4f}")


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, x_test, y_test = (torch.from_numpy(a) for a in digits())
x, x_test = x / 16, x_test / 16

backbone = nn.Sequential(
    conv(1, 16), nn.MaxPool2d(2), conv(16, 32), nn.AdaptiveAvgPool2d(2), nn.Flatten()
)
digit_head = nn.Linear(128, 10)
fit(backbone, digit_head, [*backbone.parameters(), *digit_head.parameters()], x, y, epochs=4)

# Second task: is the picture taken in dim light? The backbone stays as it is.
for p in backbone.parameters():
    p.requires_grad = False  # FAULT
    # FIXED: p.requires_grad = False
# FIXED: backbone.eval()
bright = (torch.rand(len(x)) < 0.2).long()
dim = x * (0.25 + 0.75 * bright.view(-1, 1, 1, 1)) - 0.5 * (1 - bright.view(-1, 1, 1, 1))
light_head = nn.Linear(128, 2)
fit(backbone, light_head, light_head.parameters(), dim, bright, epochs=3)

backbone.eval()
with torch.no_grad():
    features = backbone(x_test)
    accuracy = (digit_head(features).argmax(1) == y_test).float().mean().item()
print(f"score: {accuracy:.4f}")
