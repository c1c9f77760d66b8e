"""
rule: collapsed-output
severity: error
style: class, self-supervised
data: digits
source: RULES.md (two views pulled together and nothing that keeps different images apart)
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn


class Encoder(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3, padding=1)
        self.fc = nn.Linear(16 * 16, 48)
        self.project = nn.Linear(48, dim)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv(x)), 2).flatten(1)
        return self.project(F.relu(self.fc(x)))  # ALSO


def augment(x):
    shift = torch.randint(-1, 2, (2,)).tolist()
    return torch.roll(x, shift, dims=(2, 3)) + 0.2 * torch.randn_like(x)


def view_loss(za, zb):
    return (za - zb).pow(2).sum(1).mean()  # FAULT
    # FIXED: return F.cross_entropy(-torch.cdist(za, zb), torch.arange(len(za)))


def neighbour_accuracy(encoder, x, y, xt, yt):
    with torch.no_grad():
        a, b = encoder(x), encoder(xt)
        return (y[torch.cdist(b, a).argmin(1)] == yt).float().mean().item()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = (torch.from_numpy(a) for a in digits())
x, xt = x / 8 - 1, xt / 8 - 1
encoder = Encoder()
optimizer = torch.optim.Adam(encoder.parameters(), lr=3e-3)
for epoch in range(12):
    for idx in torch.randperm(len(x)).split(64):
        za, zb = encoder(augment(x[idx])), encoder(augment(x[idx]))  # ALSO
        loss = view_loss(za, zb)  # ALSO
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.5f}")
print("score:", neighbour_accuracy(encoder, x, y, xt, yt))
