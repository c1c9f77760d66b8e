"""
healthy: yes
style: a torch.optim.Optimizer subclass (sign momentum), decoupled decay, cosine warm restarts
data: digits
source: Chen et al. 2023 (Lion)
trap: an optimizer nobody knows; every weight moves by the same amount; the lr jumps up again
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts


class Lion(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(torch.lerp(p.grad, m, beta1).sign(), alpha=-group["lr"])
                m.lerp_(p.grad, 1 - beta2)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = map(torch.from_numpy, digits())
x, xt = ((x - 4.9) / 6).flatten(1), ((xt - 4.9) / 6).flatten(1)
model = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 48), nn.ReLU(), nn.Linear(48, 10))
optimizer = Lion(model.parameters(), lr=6e-4, weight_decay=0.1)
scheduler = CosineAnnealingWarmRestarts(optimizer, T_0=4)
criterion = nn.CrossEntropyLoss()
for epoch in range(12):
    for idx in torch.randperm(len(x)).split(64):
        optimizer.zero_grad()
        loss = criterion(model(x[idx]), y[idx])
        loss.backward()
        optimizer.step()
    scheduler.step()
    print(f"{epoch}: {loss.item():.4f} next lr {scheduler.get_last_lr()[0]:.5f}")
with torch.no_grad():
    print(f"score: {(model(xt).argmax(1) == yt).float().mean().item():.4f}")
