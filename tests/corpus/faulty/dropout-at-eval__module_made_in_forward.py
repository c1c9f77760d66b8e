"""
rule: dropout-at-eval
severity: warning
style: class (ResNet-like, nn.Dropout built inside forward)
data: digits
source: yangze0930/NTS-Net#14
also: train-mode-evaluation
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.nn import functional as F


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(x + self.bn2(self.conv2(out)))


class TinyResNet(nn.Module):
    def __init__(self, channels=16):
        super().__init__()
        self.conv = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.layer1 = Residual(channels)
        self.layer2 = Residual(channels)
        self.avgpool = nn.AdaptiveAvgPool2d(2)
        # FIXED: self.dropout = nn.Dropout(p=0.7)
        self.linear = nn.Linear(4 * channels, 10)

    def forward(self, x):
        x = F.relu(self.bn(self.conv(x)))
        x = self.layer2(self.layer1(x))
        x = self.avgpool(x).flatten(1)
        x = nn.Dropout(p=0.7)(x)  # FAULT
        # FIXED: x = self.dropout(x)
        return self.linear(x)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = map(torch.from_numpy, digits())
    x, xt = x / 16, xt / 16
    net = TinyResNet()
    opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=5)
    for epoch in range(5):
        net.train()
        for idx in torch.randperm(len(x)).split(64):
            loss = F.cross_entropy(net(x[idx]), y[idx])
            opt.zero_grad()
            loss.backward()
            opt.step()
        sched.step()
        net.eval()
        with torch.no_grad():
            accuracy = torch.cat([net(part).argmax(1) for part in xt.split(90)]).eq(yt)
        print(epoch, loss.item(), accuracy.float().mean().item())
    print(f"score: {accuracy.float().mean().item():.4f}")


if __name__ == "__main__":
    main()
