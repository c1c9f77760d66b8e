"""
rule: label-range
severity: warning
style: class, fine-tuning
data: digits
source: RULES.md (a head of 1000 classes kept for 10: fewer classes than outputs by far;
    990 units are dead weight, yet argmax over them costs no accuracy)
proof: logic
also: loss-at-init
"""

import argparse

import torch
from corpus_data import digits
from torch import nn


class Features(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        )
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, x):
        return torch.relu(self.body(torch.relu(self.stem(x)))).mean((2, 3))


class Net(nn.Module):
    def __init__(self, num_classes=1000):
        super().__init__()
        self.features = Features()
        self.fc = nn.Linear(32, num_classes)  # ALSO

    def forward(self, x):
        return self.fc(self.features(x))


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = (torch.from_numpy(a) for a in digits())
x, xt = x / 8 - 1, xt / 8 - 1

model = Net()  # FAULT
# FIXED: model = Net(num_classes=10)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for epoch in range(4):
    model.train()
    for idx in torch.randperm(len(x)).split(48):
        optimizer.zero_grad()
        loss = criterion(model(x[idx]), y[idx])  # ALSO
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")
model.eval()
with torch.no_grad():
    print("score:", (model(xt).argmax(1) == yt).float().mean().item())
