"""
healthy: yes
style: one body, three heads, three losses of different labels
data: digits
source: a common shape of multi-task training
trap: labels of ten classes and of odd or even come from the same batch; mixed, they look imbalanced
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from corpus_data import digits

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

x_train, y_train, x_valid, y_valid = map(torch.tensor, digits())
x_train, x_valid = (x.reshape(-1, 64) / 8.0 - 1.0 for x in (x_train, x_valid))
ink = x_train.mean(1)
ink = (ink - ink.mean()) / ink.std()


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
        self.digit, self.ink, self.odd = nn.Linear(64, 10), nn.Linear(64, 1), nn.Linear(64, 1)

    def forward(self, x):
        h = self.body(x)
        return {"digit": self.digit(h), "ink": self.ink(h)[:, 0], "odd": self.odd(h)[:, 0]}


net = Heads()
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(12):
    for index in torch.randperm(len(x_train)).split(64):
        out, label = net(x_train[index]), y_train[index]
        loss = F.cross_entropy(out["digit"], label) + 0.5 * F.mse_loss(out["ink"], ink[index])
        loss = loss + F.binary_cross_entropy_with_logits(out["odd"], (label % 2).float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())

with torch.no_grad():
    accuracy = (net(x_valid)["digit"].argmax(1) == y_valid).float().mean().item()
print(f"score: {accuracy:.4f}")
