"""
rule: double-softmax
severity: error
style: Trainer class, ResNet-like
data: cifar
source: faults.csv B73
also: lr-too-low
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import cifar
from torch import nn


class BasicBlock(nn.Module):
    def __init__(self, inside, outside, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.shortcut = nn.Conv2d(inside, outside, 1, stride, bias=False)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


class ResNetTiny(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.layers = nn.Sequential(
            BasicBlock(3, 12, 2), BasicBlock(12, 24, 2), BasicBlock(24, 32, 2)
        )
        self.fc = nn.Linear(32 * 16, num_classes)

    def forward(self, x):
        x = self.fc(self.layers(x).flatten(1))
        return F.softmax(x, dim=-1)  # FAULT
        # FIXED: return x


class Trainer:
    def __init__(self, net):
        self.net = net
        self.optim = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)

    def epoch(self, x, y):
        self.net.train()
        for idx in torch.randperm(len(x)).split(64):
            self.optim.zero_grad()
            loss = F.cross_entropy(self.net(x[idx]), y[idx])  # ALSO
            loss.backward()
            self.optim.step()
        return loss.item()

    @torch.no_grad()
    def evaluate(self, x, y):
        self.net.eval()
        return sum(
            (self.net(a).argmax(1) == b).sum().item() for a, b in zip(x.split(250), y.split(250))
        )


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
data = [torch.tensor(a) for a in cifar(3000, 1000)]
mean, std = torch.tensor([125.3, 123.0, 113.9]), torch.tensor([63.0, 62.1, 66.7])
x, xv = ((d.float() - mean[:, None, None]) / std[:, None, None] for d in (data[0], data[2]))
trainer = Trainer(ResNetTiny())
for e in range(5):
    print(f"epoch {e}: loss {trainer.epoch(x, data[1]):.4f}")
print(f"score: {trainer.evaluate(xv, data[3]) / len(xv):.4f}")
