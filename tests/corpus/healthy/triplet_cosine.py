"""
healthy: yes
style: normalised embeddings, in-batch contrast (NT-Xent)
data: digits
source: Chen et al. 2020
trap: cross entropy whose targets are positions in the batch; logits of cosines / temperature
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn


def augment(images):
    shift = torch.randint(-1, 2, (2,)).tolist()
    noisy = torch.roll(images, shift, dims=(2, 3))
    return noisy + 0.3 * torch.randn_like(noisy)


def nt_xent(z1, z2, temperature=0.2):
    z = F.normalize(torch.cat([z1, z2]), dim=1)
    similarity = z @ z.t() / temperature
    similarity.fill_diagonal_(float("-inf"))
    n = len(z1)
    targets = torch.arange(2 * n).roll(n)
    return F.cross_entropy(similarity, targets)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = [torch.tensor(a) for a in digits()]
x, xt = (x - 4.9) / 6, (xt - 4.9) / 6

encoder = nn.Sequential(
    nn.Conv2d(1, 24, 3, padding=1, bias=False),
    nn.BatchNorm2d(24),
    nn.ReLU(),
    nn.Conv2d(24, 48, 3, stride=2, padding=1, bias=False),
    nn.BatchNorm2d(48),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(768, 64),
)
projector = nn.Sequential(nn.ReLU(), nn.Linear(64, 32))
params = list(encoder.parameters()) + list(projector.parameters())
optimizer = torch.optim.Adam(params, lr=1e-3)
for epoch in range(6):
    encoder.train()
    for idx in torch.randperm(len(x)).split(128):
        h1, h2 = encoder(augment(x[idx])), encoder(augment(x[idx]))
        loss = nt_xent(projector(h1), projector(h2))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

encoder.eval()
with torch.no_grad():
    bank, query = F.normalize(encoder(x), dim=1), F.normalize(encoder(xt), dim=1)
    votes = y[(query @ bank.t()).topk(5, dim=1).indices].mode(dim=1).values
print(f"score: {(votes == yt).float().mean().item():.4f}")
