"""
healthy: yes
style: two embeddings and their dot product, ratings as targets
data: generated (users and films)
source: the usual recommender
trap: nothing nonlinear at all; small initial weights; indices as inputs; 1000 steps
"""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class MatrixFactorization(nn.Module):
    def __init__(self, n_users, n_items, mean, n_factors=8):
        super().__init__()
        self.user_factors = nn.Embedding(n_users, n_factors)
        self.item_factors = nn.Embedding(n_items, n_factors)
        self.user_bias = nn.Embedding(n_users, 1)
        self.item_bias = nn.Embedding(n_items, 1)
        nn.init.normal_(self.user_factors.weight, std=0.1)
        nn.init.normal_(self.item_factors.weight, std=0.1)
        nn.init.zeros_(self.user_bias.weight)
        nn.init.zeros_(self.item_bias.weight)
        self.register_buffer("mean", mean)

    def forward(self, user, item):
        dot = (self.user_factors(user) * self.item_factors(item)).sum(1)
        return self.mean + dot + self.user_bias(user).squeeze(1) + self.item_bias(item).squeeze(1)


def ratings(g, n_users=120, n_items=80, n=8000):
    taste, kind = torch.randn(n_users, 3, generator=g), torch.randn(n_items, 3, generator=g)
    liked = torch.randn(n_items, generator=g) * 0.5
    user = torch.randint(n_users, (n,), generator=g)
    item = torch.randint(n_items, (n,), generator=g)
    stars = 3 + 0.6 * (taste[user] * kind[item]).sum(1) + liked[item]
    return user, item, stars + 0.2 * torch.randn(n, generator=g)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    torch.manual_seed(seed)
    user, item, stars = ratings(torch.Generator().manual_seed(seed))
    loader = DataLoader(TensorDataset(user[:6400], item[:6400], stars[:6400]), 64, shuffle=True)
    model = MatrixFactorization(120, 80, stars[:6400].mean())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, weight_decay=1e-4)
    criterion = nn.MSELoss()
    for epoch in range(10):
        total = 0.0
        for u, i, r in loader:
            optimizer.zero_grad()
            loss = criterion(model(u, i), r)
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(f"epoch {epoch}: {total / len(loader):.4f}")
    with torch.no_grad():
        error = criterion(model(user[6400:], item[6400:]), stars[6400:])
    print(f"score: {1 - (error / stars[6400:].var()).item():.4f}")


main()
