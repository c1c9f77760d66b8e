"""
rule: loss-at-init
severity: warning
style: class, fine-tuning
data: digits
source: RULES.md (a new head with weights of standard deviation 1)
also: init-scale
"""

import argparse

import torch
from corpus_data import digits
from torch import nn


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 32, 3, padding=1)
        self.bn = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(64)

    def forward(self, x):
        x = torch.relu(self.bn(self.conv(x)))
        return torch.relu(self.bn2(self.conv2(x))).flatten(1)


class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(num_features, num_classes)  # ALSO
        self.head.weight.data.normal_(0.0, 1.0)  # FAULT
        # FIXED: self.head.weight.data.normal_(0.0, 0.01)
        self.head.bias.data.zero_()

    def forward(self, x):
        return self.head(self.backbone(x))  # ALSO


ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
torch.manual_seed(ap.parse_args().seed)
x, y, xt, yt = map(torch.from_numpy, digits())
x, xt = x[:500] / 8 - 1, xt / 8 - 1
y = y[:500]

model = Classifier(Backbone(), 64 * 64, 10)
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4)
criterion = nn.CrossEntropyLoss()
for epoch in range(3):
    model.train()
    for idx in torch.randperm(len(x)).split(50):
        logits = model(x[idx])
        loss = criterion(logits, y[idx])  # ALSO
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: loss {loss.item():.4f}")
model.eval()
with torch.no_grad():
    val = criterion(model(xt), yt).item()
    acc = (model(xt).argmax(1) == yt).float().mean().item()
print(f"validation loss {val:.4f}, accuracy {acc:.4f}")
print(f"score: {-val:.4f}")
