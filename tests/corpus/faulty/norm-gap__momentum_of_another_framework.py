"""
rule: norm-gap
severity: warning
style: class (ResNet-like, momentum=0.999 as Keras counts it)
data: fashion
source: faults.csv B81, B83 (huge gap between training and inference)
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn
from torch.nn import functional as F

MOMENTUM = 0.999  # FAULT
# FIXED: MOMENTUM = 0.05


class BasicBlock(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout, momentum=MOMENTUM)  # ALSO
        self.conv2 = nn.Conv2d(cout, cout, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout, momentum=MOMENTUM)  # ALSO
        self.skip = nn.Conv2d(cin, cout, 1, stride=2)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))  # ALSO
        return F.relu(self.bn2(self.conv2(out)) + self.skip(x))  # ALSO


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(BasicBlock(1, 12), BasicBlock(12, 24), BasicBlock(24, 32))
        self.fc = nn.Linear(32, 10)

    def forward(self, x):
        return self.fc(self.blocks(x).mean(dim=(2, 3)))


def train(net, x, y, epochs, batch_size=8):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    for epoch in range(epochs):
        net.train()
        for idx in torch.randperm(len(x)).split(batch_size):
            loss = F.cross_entropy(net(x[idx]), y[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    a, b, c, d = (torch.from_numpy(array) for array in fashion(2000, 1000))
    net = ResNet()
    train(net, a / 255, b, epochs=2)
    net.eval()
    with torch.no_grad():
        accuracy = (net(c / 255).argmax(1) == d).float().mean().item()
    print(f"score: {accuracy:.4f}")
