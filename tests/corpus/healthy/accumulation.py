"""
healthy: yes
style: gradient accumulation, the last group of batches may be shorter
data: digits
source: the usual accumulation loop
trap: several backwards before a step, so gradients are not zero before a backward
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--accumulate", type=int, default=4)
args = parser.parse_args()
torch.manual_seed(args.seed)

x, y, xt, yt = map(torch.tensor, digits())
x, xt = (x - 4.9) / 6, (xt - 4.9) / 6
train_loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)

model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1),
    nn.GroupNorm(4, 16),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1),
    nn.GroupNorm(4, 32),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(512, 10),
)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()

for epoch in range(5):
    model.train()
    optimizer.zero_grad()
    for i, (images, labels) in enumerate(train_loader):
        loss = criterion(model(images), labels) / args.accumulate
        loss.backward()
        if (i + 1) % args.accumulate == 0 or i + 1 == len(train_loader):
            optimizer.step()
            optimizer.zero_grad()
    model.eval()
    with torch.no_grad():
        accuracy = (model(xt).argmax(1) == yt).float().mean().item()
    print(f"epoch {epoch}: {accuracy:.3f}")
print(f"score: {accuracy:.4f}")
