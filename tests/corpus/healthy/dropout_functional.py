"""
healthy: yes
style: F.dropout with training=self.training, in-place ReLU, summed loss divided by hand
data: fashion
source: RULES.md
trap: functional dropout; reduction="sum"; an input flipped at random in training
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import fashion
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(1, 12, 3, stride=2, padding=1)
        self.c2 = nn.Conv2d(12, 24, 3, stride=2, padding=1)
        self.l1 = nn.Linear(24 * 49, 64)
        self.l2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu_(self.c1(x))
        x = F.relu_(self.c2(x))
        x = F.relu(self.l1(x.flatten(1)), inplace=True)
        x = F.dropout(x, p=0.3, training=self.training)
        return self.l2(x)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = (torch.tensor(a) for a in fashion(2500, 500))
x, xt = (x.float() - 72.9) / 90.0, (xt.float() - 72.9) / 90.0
net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(5):
    net.train()
    for idx in torch.randperm(len(x)).split(50):
        images = x[idx]
        flip = torch.rand(len(images)) < 0.5
        images[flip] = images[flip].flip(3)
        loss = F.cross_entropy(net(images), y[idx], reduction="sum") / len(images)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        accuracy = (net(xt).argmax(1) == yt).float().mean().item()
    print(f"epoch {epoch}: {loss.item():.3f} {accuracy:.3f}")
print(f"score: {accuracy:.4f}")
