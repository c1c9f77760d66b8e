"""
rule: no-nonlinearity
severity: error
style: plain loop, binary
data: generated rings
source: faults.csv B26
also: underfitting
"""

import argparse

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
torch.manual_seed(args.seed)

n = 1000
angle = torch.rand(n) * 6.2832
label = (torch.rand(n) > 0.5).float()
radius = 0.6 + 0.9 * label + 0.15 * torch.randn(n)
points = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
x_train, x_val, y_train, y_val = points[:800], points[800:], label[:800], label[800:]

model = nn.Sequential(  # FAULT
    nn.Linear(2, 32),  # ALSO
    # FIXED: nn.ReLU(),
    nn.Linear(32, 32),  # ALSO
    # FIXED: nn.ReLU(),
    nn.Linear(32, 1),  # ALSO
)
loss_fn = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

for epoch in range(30):
    perm = torch.randperm(len(x_train))
    for i in range(0, len(perm), 50):
        batch = perm[i : i + 50]
        pred = model(x_train[batch]).squeeze(-1)  # ALSO
        loss = loss_fn(pred, y_train[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 10 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")

with torch.no_grad():
    acc = ((model(x_val).squeeze(-1) > 0) == (y_val > 0.5)).float().mean()
print(f"score: {acc.item():.4f}")
