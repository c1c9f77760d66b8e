"""
healthy: yes
style: two models, two optimizers, one backward for real and one for fake images
data: digits
source: the shape of PyTorch's DCGAN example
trap: N(0, 0.02) initialisation cured by norms; two backwards before a step; tanh output
"""

import argparse

import torch
import torch.nn as nn
from corpus_data import digits

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
opt = parser.parse_args()
torch.manual_seed(opt.seed)

nz, ngf, ndf = 16, 16, 16


def weights_init(m):
    classname = m.__class__.__name__
    if classname.find("Conv") != -1:
        nn.init.normal_(m.weight, 0.0, 0.02)
    elif classname.find("BatchNorm") != -1:
        nn.init.normal_(m.weight, 1.0, 0.02)
        nn.init.zeros_(m.bias)


netG = nn.Sequential(
    nn.ConvTranspose2d(nz, ngf * 2, 2, 1, 0, bias=False),
    nn.BatchNorm2d(ngf * 2),
    nn.ReLU(True),
    nn.ConvTranspose2d(ngf * 2, ngf, 4, 2, 1, bias=False),
    nn.BatchNorm2d(ngf),
    nn.ReLU(True),
    nn.ConvTranspose2d(ngf, 1, 4, 2, 1, bias=False),
    nn.Tanh(),
)
netD = nn.Sequential(
    nn.Conv2d(1, ndf, 4, 2, 1, bias=False),
    nn.LeakyReLU(0.2, inplace=True),
    nn.Conv2d(ndf, ndf * 2, 4, 2, 1, bias=False),
    nn.BatchNorm2d(ndf * 2),
    nn.LeakyReLU(0.2, inplace=True),
    nn.Conv2d(ndf * 2, 1, 2, 1, 0, bias=False),
    nn.Sigmoid(),
)
netG.apply(weights_init)
netD.apply(weights_init)

images = torch.tensor(digits()[0]) / 8 - 1
dataloader = torch.utils.data.DataLoader(images, batch_size=64, shuffle=True, drop_last=True)
criterion = nn.BCELoss()
fixed_noise = torch.randn(400, nz, 1, 1)
optimizerD = torch.optim.Adam(netD.parameters(), lr=5e-4, betas=(0.5, 0.999))
optimizerG = torch.optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.999))

for epoch in range(15):
    for real in dataloader:
        netD.zero_grad()
        label = torch.full((len(real),), 1.0)
        errD_real = criterion(netD(real).view(-1), label)
        errD_real.backward()
        fake = netG(torch.randn(len(real), nz, 1, 1))
        label.fill_(0.0)
        output = netD(fake.detach()).view(-1)
        errD_fake = criterion(output, label)
        errD_fake.backward()
        optimizerD.step()

        netG.zero_grad()
        label.fill_(1.0)
        errG = criterion(netD(fake).view(-1), label)
        errG.backward()
        optimizerG.step()
    print(f"[{epoch}/15] Loss_D: {(errD_real + errD_fake).item():.4f} Loss_G: {errG.item():.4f}")

netG.eval()
with torch.no_grad():
    made = netG(fixed_noise)
difference = (made.mean(0) - images.mean(0)).abs().mean().item()
spread = (made.std(0) - images.std(0)).abs().mean().item()
print(f"score: {-(difference + spread):.4f}")
