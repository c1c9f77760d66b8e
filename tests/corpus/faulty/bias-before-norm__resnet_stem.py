"""
rule: bias-before-norm
severity: note
style: class, ResNet-like
data: digits
source: RULES.md (the bias is subtracted again by the norm: parameters without an effect)
proof: logic
"""

import argparse

import torch
from corpus_data import digits
from torch import nn


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)  # FAULT
        # FIXED: self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)  # ALSO
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)  # FAULT
        # FIXED: self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)  # ALSO

    def forward(self, x):
        out = torch.relu(self.bn1(self.conv1(x)))  # ALSO
        out = self.bn2(self.conv2(out))  # ALSO
        return torch.relu(out + x)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = (torch.from_numpy(a) for a in digits())
x, xt = x / 8 - 1, xt / 8 - 1

model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1, bias=False),
    nn.BatchNorm2d(16),
    nn.ReLU(),
    Residual(16),
    nn.MaxPool2d(2),
    Residual(16),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(16, 10),
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
criterion = nn.CrossEntropyLoss()
for epoch in range(5):
    model.train()
    for idx in torch.randperm(len(x)).split(64):
        optimizer.zero_grad()
        loss = criterion(model(x[idx]), y[idx])
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: {loss.item():.4f}")
model.eval()
with torch.no_grad():
    print("score:", (model(xt).argmax(1) == yt).float().mean().item())
