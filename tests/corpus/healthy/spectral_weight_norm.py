"""
healthy: yes
style: parametrizations: weight_norm and spectral_norm
data: digits
source: PyTorch's documentation of torch.nn.utils.parametrizations
trap: weights that are computed, not stored; power iteration changes buffers in every forward
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = map(torch.tensor, digits())
x, xt = (x - 4.9) / 6, (xt - 4.9) / 6
model = nn.Sequential(
    weight_norm(nn.Conv2d(1, 16, 3, padding=1)),
    nn.LeakyReLU(0.1),
    nn.MaxPool2d(2),
    spectral_norm(nn.Conv2d(16, 32, 3, padding=1)),
    nn.LeakyReLU(0.1),
    nn.Flatten(),
    weight_norm(nn.Linear(512, 10)),
)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(6):
    model.train()
    for idx in torch.randperm(len(x)).split(64):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[idx]), y[idx])
        loss.backward()
        optimizer.step()
    print(epoch, f"{loss.item():.4f}")
model.eval()
with torch.no_grad():
    print(f"score: {(model(xt).argmax(1) == yt).float().mean().item():.4f}")
