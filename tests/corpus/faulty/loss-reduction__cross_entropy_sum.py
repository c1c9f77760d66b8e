"""
rule: loss-reduction
severity: warning
style: plain loop
data: fashion
source: faults.csv B30
also: lr-too-high, dead-relu, not-learning, loss-at-init
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--batch-size", type=int, default=100)
args = parser.parse_args()
torch.manual_seed(args.seed)

x, y, xt, yt = (torch.from_numpy(a) for a in fashion(4000, 1000))
x, xt = (x / 255 - 0.286) / 0.353, (xt / 255 - 0.286) / 0.353

model = nn.Sequential(
    nn.Flatten(),
    nn.Linear(784, 200),
    nn.ReLU(),
    nn.Linear(200, 100),
    nn.ReLU(),
    nn.Linear(100, 10),
)
criterion = nn.CrossEntropyLoss(reduction="sum")  # FAULT
# FIXED: criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)  # ALSO

for epoch in range(4):
    permutation = torch.randperm(len(x))
    for i in range(0, len(x), args.batch_size):
        idx = permutation[i : i + args.batch_size]
        optimizer.zero_grad()
        loss = criterion(model(x[idx]), y[idx])  # ALSO
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")

with torch.no_grad():
    print("score:", (model(xt).argmax(1) == yt).float().mean().item())
