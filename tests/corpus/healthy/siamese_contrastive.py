"""
healthy: yes
style: one network applied twice, margin loss
data: digits
source: the shape of PyTorch's siamese example
trap: two forward passes before one backward; a loss that is exactly 0 for many pairs
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn


class Embedder(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(512, dim),
        )

    def forward(self, a, b):
        return self.net(a), self.net(b)


def pairs(x, y, n):
    i, j = torch.randint(len(x), (n,)), torch.randint(len(x), (n,))
    same_class = torch.multinomial((y[i][:, None] == y[None, :]).float(), 1).squeeze(1)
    j = torch.where(torch.rand(n) < 0.5, same_class, j)
    return x[i], x[j], (y[i] == y[j]).float()


def contrastive(a, b, same, margin=2.0):
    distance = F.pairwise_distance(a, b)
    return (same * distance**2 + (1 - same) * F.relu(margin - distance) ** 2).mean()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = map(torch.tensor, digits())
    x, xt = x / 6 - 0.8, xt / 6 - 0.8
    model = Embedder()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for step in range(300):
        left, right, same = pairs(x, y, 64)
        loss = contrastive(*model(left, right), same)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            print(f"step {step}: {loss.item():.4f}")
    model.eval()
    with torch.no_grad():
        gallery, query = model(x, xt)
        nearest = y[torch.cdist(query, gallery).argmin(1)]
    print(f"score: {(nearest == yt).float().mean().item():.4f}")


main()
