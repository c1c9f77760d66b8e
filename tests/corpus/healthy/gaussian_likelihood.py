"""
healthy: yes
style: mean and variance as outputs, GaussianNLLLoss
data: generated (noise that grows)
source: PyTorch's documentation of GaussianNLLLoss
trap: a loss that becomes negative; exp on an output; whole data in float64 scaled by hand
"""

import argparse

import torch
from torch import nn


class Probabilistic(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared = nn.Sequential(nn.Linear(1, 48), nn.SiLU(), nn.Linear(48, 48), nn.SiLU())
        self.mean = nn.Linear(48, 1)
        self.log_var = nn.Linear(48, 1)

    def forward(self, x):
        h = self.shared(x)
        return self.mean(h), self.log_var(h).exp()


def sample(n):
    x = torch.rand(n, 1) * 4 - 2
    noise = 0.05 + 0.15 * (x + 2) / 4
    return x, torch.sin(2 * x) + noise * torch.randn(n, 1)


def main(seed):
    torch.manual_seed(seed)
    model = Probabilistic()
    criterion = nn.GaussianNLLLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    x, y = sample(2000)
    for epoch in range(15):
        losses = []
        for idx in torch.randperm(len(x)).split(100):
            mean, var = model(x[idx])
            loss = criterion(mean, y[idx], var)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(f"epoch {epoch}: {sum(losses) / len(losses):.4f}")
    x, y = sample(1000)
    with torch.no_grad():
        mean, _ = model(x)
    return 1 - ((mean - y).var() / y.var()).item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    print(f"score: {main(parser.parse_args().seed):.4f}")
