"""
rule: norm-small-batch
severity: warning
style: class (global pooling, then batch norm; two pictures a batch)
data: digits
source: DeepLab's image-level branch ("Expected more than 1 value per channel"), faults.csv B80
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.nn import functional as F


class PooledNet(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.squeeze = nn.Conv2d(width, 48, 1, bias=False)
        self.bn = nn.BatchNorm2d(48)  # FAULT
        # FIXED: self.bn = nn.GroupNorm(1, 48)
        self.head = nn.Linear(48, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.relu(self.conv2(x))
        x = F.adaptive_avg_pool2d(x, 1)
        x = F.relu(self.bn(self.squeeze(x)))  # ALSO
        return self.head(x.flatten(1))


class Trainer:
    def __init__(self, net, batch_size):
        self.net, self.batch_size = net, batch_size
        self.optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)

    def epoch(self, x, y):
        self.net.train()
        for idx in torch.randperm(len(x)).split(self.batch_size):
            if len(idx) < self.batch_size:
                continue
            loss = F.cross_entropy(self.net(x[idx]), y[idx])  # ALSO
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return loss.item()

    @torch.no_grad()
    def accuracy(self, x, y):
        self.net.eval()
        return (self.net(x).argmax(1) == y).float().mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = (torch.from_numpy(a) for a in digits())
    trainer = Trainer(PooledNet(), batch_size=2)  # ALSO
    for epoch in range(4):
        print(epoch, trainer.epoch(x / 16, y))
    print(f"score: {trainer.accuracy(xt / 16, yt):.4f}")
