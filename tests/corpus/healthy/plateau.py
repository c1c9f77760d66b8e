"""
healthy: yes
style: ReduceLROnPlateau, regression
data: generated (friedman's function)
source: RULES.md
trap: the scheduler takes a validation loss; lr falls when the loss stalls
"""

import argparse

import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau


def friedman(n, generator):
    x = torch.rand(n, 6, generator=generator)
    y = 10 * torch.sin(torch.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2
    y = y + 10 * x[:, 3] + 5 * x[:, 4] + 0.5 * torch.randn(n, generator=generator)
    return x, y.unsqueeze(1)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
seed = parser.parse_args().seed
torch.manual_seed(seed)
g = torch.Generator().manual_seed(seed)
x_train, y_train = friedman(1500, g)
x_val, y_val = friedman(500, g)
x_mean, x_std = x_train.mean(0), x_train.std(0)
y_mean, y_std = y_train.mean(), y_train.std()
x_train, x_val = (x_train - x_mean) / x_std, (x_val - x_mean) / x_std
y_train, y_val = (y_train - y_mean) / y_std, (y_val - y_mean) / y_std

model = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
scheduler = ReduceLROnPlateau(optimizer, mode="min", factor=0.3, patience=2)
mse = nn.MSELoss()
for epoch in range(25):
    model.train()
    for idx in torch.randperm(len(x_train)).split(64):
        optimizer.zero_grad()
        loss = mse(model(x_train[idx]), y_train[idx])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val_loss = mse(model(x_val), y_val)
    scheduler.step(val_loss)
    print(epoch, f"{val_loss.item():.4f}", optimizer.param_groups[0]["lr"])
print(f"score: {1 - val_loss.item():.4f}")
