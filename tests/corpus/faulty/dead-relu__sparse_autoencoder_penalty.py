"""
rule: dead-relu
severity: error
style: class, autoencoder
data: digits
source: RULES.md (a sparsity penalty so strong that every unit of the code is switched off)
also: collapsed-output, not-learning
"""

import argparse

import torch
from corpus_data import digits
from torch import nn


class SparseAutoencoder(nn.Module):
    def __init__(self, features=64, codes=96):
        super().__init__()
        self.encoder = nn.Linear(features, codes)  # ALSO
        self.decoder = nn.Linear(codes, features)

    def forward(self, x):
        code = torch.relu(self.encoder(x))  # ALSO
        return self.decoder(code), code


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--l1", type=float, default=1.0)  # FAULT
# FIXED: parser.add_argument("--l1", type=float, default=1e-4)
args = parser.parse_args()
torch.manual_seed(args.seed)

x, _, xt, _ = digits()
x, xt = torch.from_numpy(x).flatten(1) / 16, torch.from_numpy(xt).flatten(1) / 16
sae = SparseAutoencoder()
optimizer = torch.optim.Adam(sae.parameters(), lr=2e-3)
for epoch in range(15):
    for batch in x[torch.randperm(len(x))].split(48):
        reconstruction, code = sae(batch)  # ALSO
        loss = (reconstruction - batch).pow(2).mean() + args.l1 * code.abs().sum(1).mean()  # ALSO
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 3 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f} active {(code > 0).float().mean().item():.3f}")

with torch.no_grad():
    explained = 1 - (sae(xt)[0] - xt).pow(2).sum() / (xt - x.mean(0)).pow(2).sum()
print(f"score: {explained.item():.4f}")
