"""
rule: input-constant
severity: error
style: plain loop by iterations
data: digits
source: RULES.md (one repeated batch: a fresh iterator at every step)
also: not-shuffled, overfitting
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--iterations", type=int, default=300)
args = parser.parse_args()
torch.manual_seed(args.seed)

xs, ys, xv, yv = digits()
xs, xv = torch.tensor(xs) / 16, torch.tensor(xv) / 16
ys, yv = torch.tensor(ys), torch.tensor(yv)
shuffled = torch.randperm(len(xs))
loader = DataLoader(TensorDataset(xs[shuffled], ys[shuffled]), batch_size=32)  # ALSO

model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 10))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
loss_fn = nn.CrossEntropyLoss()
# FIXED: stream = iter(loader)
for step in range(args.iterations):
    x, y = next(iter(loader))  # FAULT
    # FIXED: try:
    # FIXED:     x, y = next(stream)
    # FIXED: except StopIteration:
    # FIXED:     stream = iter(loader)
    # FIXED:     x, y = next(stream)
    out = model(x)  # ALSO
    loss = loss_fn(out, y)  # ALSO
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step:4d} loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score: {(model(xv).argmax(1) == yv).float().mean():.4f}")
