"""
healthy: yes
style: several critic steps for each generator step, gradient penalty
data: generated (a spiral)
source: Gulrajani et al. 2017
trap: negative losses; autograd.grad with create_graph; a model that steps once in five
"""

import argparse

import torch
import torch.nn as nn
from torch.autograd import grad

cli = argparse.ArgumentParser()
cli.add_argument("--seed", type=int, default=0)
torch.manual_seed(cli.parse_args().seed)


def sample_real(n):
    t = torch.rand(n) * 4 + 1.5
    return torch.stack([t * torch.cos(t), t * torch.sin(t)], 1) / 3 + 0.02 * torch.randn(n, 2)


G = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
D = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
g_optim = torch.optim.Adam(G.parameters(), lr=5e-4, betas=(0.5, 0.9))
d_optim = torch.optim.Adam(D.parameters(), lr=5e-4, betas=(0.5, 0.9))
batch, n_critic, lam = 64, 5, 1.0


def penalty(real, fake):
    eps = torch.rand(len(real), 1)
    mixed = (eps * real + (1 - eps) * fake).requires_grad_(True)
    (slope,) = grad(D(mixed).sum(), mixed, create_graph=True)
    return ((slope.norm(dim=1) - 1) ** 2).mean()


for step in range(300):
    for p in D.parameters():
        p.requires_grad_(True)
    for _ in range(n_critic):
        real = sample_real(batch)
        with torch.no_grad():
            fake = G(torch.randn(batch, 4))
        d_optim.zero_grad()
        d_loss = D(fake).mean() - D(real).mean() + lam * penalty(real, fake)
        d_loss.backward()
        d_optim.step()
    for p in D.parameters():
        p.requires_grad_(False)
    g_optim.zero_grad()
    g_loss = -D(G(torch.randn(batch, 4))).mean()
    g_loss.backward()
    g_optim.step()
    if step % 100 == 0:
        print(f"step {step} critic {d_loss.item():.4f} generator {g_loss.item():.4f}")

with torch.no_grad():
    made, truth = G(torch.randn(500, 4)), sample_real(2000)
    nearest = torch.cdist(made, truth).min(1).values
    coverage = torch.cdist(truth, made).min(1).values
    naive = torch.cdist(torch.randn(500, 2), truth).min(1).values.mean()
print(f"distance {nearest.mean():.3f} coverage {coverage.mean():.3f} (noise: {naive:.3f})")
print(f"score: {-(nearest.mean() + coverage.mean()).item() / 2:.4f}")
