"""
rule: missing-zero-grad
severity: error
style: two optimizers (GAN, only the generator's gradients are cleared)
data: generated
source: ajbrock/BigGAN-PyTorch#25, Project-MONAI/GenerativeModels#102
"""

import argparse

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
opt = parser.parse_args()
torch.manual_seed(opt.seed)

LATENT, BATCH, STEPS = 4, 128, 1500


def real_batch(n):
    return torch.randn(n, 1) * 0.5 + 3.0


G = nn.Sequential(nn.Linear(LATENT, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
D = nn.Sequential(
    nn.Linear(1, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1)
)
optimizer_G = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))
optimizer_D = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.999))
adversarial = nn.BCEWithLogitsLoss()
ones, zeros = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)
tail = []

for step in range(STEPS):
    # generator
    optimizer_G.zero_grad()
    fake = G(torch.randn(BATCH, LATENT))
    g_loss = adversarial(D(fake), ones)
    g_loss.backward()
    optimizer_G.step()

    # discriminator
    real_loss = adversarial(D(real_batch(BATCH)), ones)
    fake_loss = adversarial(D(fake.detach()), zeros)
    d_loss = (real_loss + fake_loss) / 2
    # FIXED: optimizer_D.zero_grad()
    d_loss.backward()  # FAULT
    # FIXED: d_loss.backward()
    optimizer_D.step()  # ALSO

    if step % 250 == 0:
        print(f"[{step}/{STEPS}] d {d_loss.item():.3f} g {g_loss.item():.3f}")
    if step >= STEPS - 300 and step % 10 == 0:
        with torch.no_grad():
            sample = G(torch.randn(1000, LATENT))
        tail.append(abs(sample.mean().item() - 3.0) + abs(sample.std().item() - 0.5))

print(f"score: {-sum(tail) / len(tail):.4f}")
