"""
rule: loss-input
severity: error
style: functional
data: fashion
source: RULES.md (F.softmax in forward, nll_loss outside: the logarithm is missing)
also: loss-at-init, lr-too-low
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import fashion
from torch import nn


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 5)
        self.conv2 = nn.Conv2d(8, 16, 5)
        self.out = nn.Linear(16 * 16, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        return F.softmax(self.out(x.flatten(1)), dim=1)  # FAULT
        # FIXED: return F.log_softmax(self.out(x.flatten(1)), dim=1)


def step(model, optimizer, x, y):
    loss = F.nll_loss(model(x), y)  # ALSO
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = (torch.from_numpy(a) for a in fashion(2000, 1000))
x, xt = (x / 255 - 0.286) / 0.353, (xt / 255 - 0.286) / 0.353
model = CNN()
optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.5)
for epoch in range(4):
    losses = [step(model, optimizer, x[i], y[i]) for i in torch.randperm(len(x)).split(50)]
    print(f"epoch {epoch}: {sum(losses) / len(losses):.4f}")
with torch.no_grad():
    print(f"score: {(model(xt).argmax(1) == yt).float().mean().item():.4f}")
