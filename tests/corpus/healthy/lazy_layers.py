"""
healthy: yes
style: lazy modules, optimizer made after a dry run
data: digits
source: PyTorch's documentation of LazyLinear
trap: layers without weights until the first batch; a forward pass before the training
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

x, y, xt, yt = map(torch.from_numpy, digits())
train = DataLoader(TensorDataset(x / 16, y), batch_size=40, shuffle=True)
model = nn.Sequential(
    nn.LazyConv2d(16, 3, padding=1, bias=False),
    nn.LazyBatchNorm2d(),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.LazyConv2d(32, 3),
    nn.ReLU(),
    nn.Flatten(),
    nn.LazyLinear(10),
)
model(x[:2] / 16)
print(sum(p.numel() for p in model.parameters()), "parameters")
optimizer = torch.optim.NAdam(model.parameters(), lr=2e-3)
for _epoch in range(6):
    model.train()
    for xb, yb in train:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(xb), yb)
        loss.backward()
        optimizer.step()
model.eval()
with torch.no_grad():
    accuracy = (model(xt / 16).argmax(1) == yt).float().mean().item()
print(f"score: {accuracy:.4f}")
