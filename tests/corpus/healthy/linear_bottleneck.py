"""
healthy: yes
style: low-rank layers and a factorised head
data: digits
source: RULES.md; low-rank factorisation
trap: two linear layers in a row on purpose, the middle one narrower than both sides
"""

import argparse

import torch
from corpus_data import digits
from torch import nn


class LowRank(nn.Module):
    def __init__(self, n_in, n_out, rank):
        super().__init__()
        self.down = nn.Linear(n_in, rank, bias=False)
        self.up = nn.Linear(rank, n_out)

    def forward(self, x):
        return self.up(self.down(x))


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = map(torch.tensor, digits())
x, xt = (x.flatten(1) - 4.9) / 6, (xt.flatten(1) - 4.9) / 6
model = nn.Sequential(
    LowRank(64, 128, 24), nn.ReLU(), LowRank(128, 128, 16), nn.ReLU(), nn.Linear(128, 10)
)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(10):
    model.train()
    for idx in torch.randperm(len(x)).split(64):
        loss = nn.functional.cross_entropy(model(x[idx]), y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, f"{loss.item():.4f}")
model.eval()
with torch.no_grad():
    accuracy = (model(xt).argmax(1) == yt).float().mean().item()
print(f"score: {accuracy:.4f}")
