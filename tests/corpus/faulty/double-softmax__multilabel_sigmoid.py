"""
rule: double-softmax
severity: error
style: class, multi-label
data: generated scenes of two digits
source: faults.csv B72 (redundant squashing), for labels that may hold together
also: output-activation, loss-input, collapsed-output, class-imbalance
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn


class Tagger(nn.Module):
    def __init__(self, tags):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.fc = nn.Linear(32 * 2 * 4, tags)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return torch.sigmoid(self.fc(x.flatten(1)))  # FAULT
        # FIXED: return self.fc(x.flatten(1))


def scenes(x, y, count):
    """Two digits side by side; the tags say which of the ten occur."""
    left, right = torch.randint(len(x), (2, count))
    images = torch.cat([x[left], x[right]], dim=3)
    tags = torch.zeros(count, 10)
    tags[torch.arange(count), y[left]] = 1
    tags[torch.arange(count), y[right]] = 1
    return images, tags


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
xa, ya, xb, yb = (torch.from_numpy(a) for a in digits())
images, tags = scenes(xa / 8 - 1, ya, 3000)
images_val, tags_val = scenes(xb / 8 - 1, yb, 600)

model = Tagger(10)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
criterion = nn.BCEWithLogitsLoss()  # ALSO
for epoch in range(8):
    for idx in torch.randperm(len(images)).split(60):
        optimizer.zero_grad()
        loss = criterion(model(images[idx]), tags[idx])  # ALSO
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: {loss.item():.4f}")

with torch.no_grad():
    top = model(images_val).topk(2, dim=1).indices
    found = tags_val.gather(1, top).sum() / tags_val.sum()
print(f"score: {found.item():.4f}")
