"""
healthy: yes
style: two models, two optimizers
data: generated (eight Gaussians on a ring)
source: the usual GAN loop
trap: the discriminator gets gradients in the generator's step; losses that don't fall; detach
"""

import argparse
import math

import torch
from torch import nn


def real_batch(n):
    angle = torch.randint(8, (n,)) * (math.pi / 4)
    return torch.stack([angle.cos(), angle.sin()], 1) * 1.5 + 0.08 * torch.randn(n, 2)


def mlp(n_in, n_out):
    return nn.Sequential(
        nn.Linear(n_in, 64),
        nn.LeakyReLU(0.2),
        nn.Linear(64, 64),
        nn.LeakyReLU(0.2),
        nn.Linear(64, n_out),
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    generator, discriminator = mlp(8, 2), mlp(2, 1)
    opt_g = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.99))
    opt_d = torch.optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.5, 0.99))
    bce = nn.BCEWithLogitsLoss()
    n = 128
    ones, zeros = torch.ones(n, 1), torch.zeros(n, 1)
    for it in range(1200):
        fake = generator(torch.randn(n, 8))

        opt_d.zero_grad()
        d_loss = bce(discriminator(real_batch(n)), ones) + bce(discriminator(fake.detach()), zeros)
        d_loss.backward()
        opt_d.step()

        opt_g.zero_grad()
        g_loss = bce(discriminator(fake), ones)
        g_loss.backward()
        opt_g.step()
        if it % 200 == 0:
            print(f"{it}: D {d_loss.item():.3f} G {g_loss.item():.3f}")

    with torch.no_grad():
        points = generator(torch.randn(1000, 8))
    radius = points.norm(dim=1)
    print(f"score: {(((radius - 1.5).abs() < 0.4).float().mean()).item():.4f}")


if __name__ == "__main__":
    main()
