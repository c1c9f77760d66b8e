"""
healthy: yes
style: AMP with a GradScaler on the CPU
data: digits
source: PyTorch's AMP examples
trap: a loss multiplied by 65536 and more, gradients that overflow, steps that are skipped
"""

import argparse

import torch
from corpus_data import digits
from torch import nn

ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
torch.manual_seed(ap.parse_args().seed)

x, y, xt, yt = map(torch.from_numpy, digits())
x, xt = ((x - 4.9) / 6).flatten(1), ((xt - 4.9) / 6).flatten(1)

net = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
loss_fn = nn.CrossEntropyLoss()
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**20, growth_interval=50)
for epoch in range(8):
    for idx in torch.randperm(len(x)).split(64):
        optimizer.zero_grad()
        with torch.autocast(device_type="cpu", dtype=torch.float16):
            output = net(x[idx])
            loss = loss_fn(output, y[idx])
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        scaler.step(optimizer)
        scaler.update()
    print(f"epoch {epoch} loss {loss.item():.4f} scale {scaler.get_scale():.0f}")
with torch.no_grad():
    print(f"score: {(net(xt).argmax(1) == yt).float().mean().item():.4f}")
