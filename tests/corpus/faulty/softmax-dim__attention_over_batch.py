"""
rule: softmax-dim
severity: error
style: class, attention
data: generated sequences with one marked item
source: RULES.md (attention weights that sum to 1 over the batch instead of the sequence)
also: underfitting, not-learning
"""

import argparse

import torch
from torch import nn


class MarkedItem(nn.Module):
    """Answers with the class of the item whose marker is highest."""

    def __init__(self, features, hidden=32, classes=5):
        super().__init__()
        self.project = nn.Linear(features, hidden)
        self.attention = nn.Linear(hidden, 1)
        self.classify = nn.Linear(hidden, classes)

    def forward(self, items):
        h = torch.relu(self.project(items))  # (batch, items, hidden)
        energy = self.attention(h).squeeze(2)
        alpha = torch.softmax(energy, dim=0)  # FAULT
        # FIXED: alpha = torch.softmax(energy, dim=1)
        context = torch.einsum("bi,bih->bh", alpha, h)
        return self.classify(context)


def sample(n, items=10, classes=5):
    kind = torch.randint(classes, (n, items))
    marked = torch.randint(items, (n,))
    x = torch.zeros(n, items, classes + 1)
    x.scatter_(2, kind.unsqueeze(2), 1.0)
    x[torch.arange(n), marked, -1] = 1.0
    return x + 0.1 * torch.randn_like(x), kind[torch.arange(n), marked]


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y = sample(3000)
x_val, y_val = sample(500)
model = MarkedItem(x.shape[-1])
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(8):
    for idx in torch.randperm(len(x)).split(64):
        loss = loss_fn(model(x[idx]), y[idx])  # ALSO
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
model.eval()
with torch.no_grad():
    hits = torch.cat([model(part).argmax(1) for part in x_val.split(10)]) == y_val
print(f"score: {hits.float().mean().item():.4f}")
