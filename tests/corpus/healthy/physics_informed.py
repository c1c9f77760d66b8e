"""
healthy: yes
style: derivatives of the network in the loss
data: generated points, no targets (y' = -2y, y(0) = 1)
source: Raissi et al. 2019
trap: autograd.grad with create_graph; two terms of very different size; tanh; no data
"""

import argparse

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
zero = torch.zeros(1, 1)
for step in range(800):
    t = (torch.rand(64, 1) * 2).requires_grad_(True)
    y = net(t)
    dy = torch.autograd.grad(y, t, torch.ones_like(y), create_graph=True)[0]
    residual = ((dy + 2 * y) ** 2).mean()
    start = ((net(zero) - 1) ** 2).mean()
    loss = residual + 5 * start
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 200 == 0:
        print(f"{step}: residual {residual.item():.5f} start {start.item():.5f}")
with torch.no_grad():
    t = torch.linspace(0, 2, 100).unsqueeze(1)
    error = (net(t) - torch.exp(-2 * t)).abs().max().item()
print(f"score: {-error:.4f}")
