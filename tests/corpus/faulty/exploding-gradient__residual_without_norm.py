"""
rule: exploding-gradient
severity: error
style: class, ResNet-like
data: fashion
source: faults.csv B75 (no norms in a deep net; residual branches at full size double the signal)
also: init-scale, loss-at-init, lr-too-high, non-finite
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)  # ALSO
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)  # ALSO
        nn.init.kaiming_normal_(self.conv1.weight)
        nn.init.kaiming_normal_(self.conv2.weight)  # FAULT
        # FIXED: nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv1.bias)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x):
        return x + self.conv2(torch.relu(self.conv1(torch.relu(x))))  # ALSO


class PlainResNet(nn.Module):
    def __init__(self, blocks=14, channels=12):
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 4, stride=4)
        self.blocks = nn.Sequential(*[Block(channels) for _ in range(blocks)])  # ALSO
        self.fc = nn.Linear(channels * 49, 10)

    def forward(self, x):
        return self.fc(self.blocks(self.stem(x)).flatten(1))  # ALSO


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = (torch.from_numpy(a) for a in fashion(1500, 500))
x, xt = (x / 255 - 0.286) / 0.353, (xt / 255 - 0.286) / 0.353
model = PlainResNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
criterion = nn.CrossEntropyLoss()
for epoch in range(3):
    for idx in torch.randperm(len(x)).split(50):
        optimizer.zero_grad()
        loss = criterion(model(x[idx]), y[idx])  # ALSO
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    print("score:", (model(xt).argmax(1) == yt).float().mean().item())
