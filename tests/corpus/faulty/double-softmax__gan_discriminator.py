"""
rule: double-softmax
severity: error
style: two optimizers, GAN
data: generated ring of eight Gaussians
source: faults.csv F11, in a discriminator: Sigmoid in front of BCEWithLogitsLoss; on points in a
    plane the generator learns nearly as well, so the score can't show it
proof: logic
also: output-activation, loss-input
"""

import argparse

import torch
from torch import nn


def real_points(n):
    angle = torch.randint(0, 8, (n,)) * torch.pi / 4
    return torch.stack([angle.cos(), angle.sin()], 1) * 2 + 0.1 * torch.randn(n, 2)


def mlp(sizes, *tail):
    layers = []
    for i in range(1, len(sizes)):
        layers += [nn.Linear(sizes[i - 1], sizes[i]), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-1], *tail)


def energy_distance(a, b):
    cross = torch.cdist(a, b).mean()
    return (2 * cross - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()).item()


ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
torch.manual_seed(ap.parse_args().seed)

G = mlp([8, 64, 64, 2])
D = mlp([2, 64, 64, 1], nn.Sigmoid())  # FAULT
# FIXED: D = mlp([2, 64, 64, 1])
opt_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.9))
opt_d = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.9))
criterion = nn.BCEWithLogitsLoss()  # ALSO
ones, zeros = torch.ones(128, 1), torch.zeros(128, 1)

distances = []
for step in range(2000):
    fake = G(torch.randn(128, 8))
    d_loss = criterion(D(real_points(128)), ones) + criterion(D(fake.detach()), zeros)  # ALSO
    opt_d.zero_grad()
    d_loss.backward()
    opt_d.step()

    g_loss = criterion(D(fake), ones)  # ALSO
    opt_g.zero_grad()
    g_loss.backward()
    opt_g.step()
    if step % 100 == 99:
        with torch.no_grad():
            distances.append(energy_distance(G(torch.randn(1000, 8)), real_points(1000)))
        print(step + 1, f"D {d_loss.item():.3f} G {g_loss.item():.3f} distance {distances[-1]:.4f}")
print(f"score: {-sum(distances[-10:]) / 10:.4f}")
