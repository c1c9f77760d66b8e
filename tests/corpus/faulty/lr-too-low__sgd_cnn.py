"""
rule: lr-too-low
severity: warning
style: plain loop
data: digits
source: faults.csv F05, B39
also: not-learning
"""

import argparse

import torch
import torch.nn as nn
from corpus_data import digits
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=6)
parser.add_argument("--learning-rate", type=float, default=1e-6)  # FAULT
# FIXED: parser.add_argument("--learning-rate", type=float, default=3e-2)
args = parser.parse_args()
torch.manual_seed(args.seed)

train_x, train_y, test_x, test_y = (torch.from_numpy(a) for a in digits())
dataloader = DataLoader(TensorDataset(train_x / 16, train_y), batch_size=32, shuffle=True)

model = nn.Sequential(
    nn.Conv2d(1, 32, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(32, 32, 3, padding=1),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(512, 10),
)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=args.learning_rate, momentum=0.9)  # ALSO

for _ in range(args.epochs):
    size = len(dataloader.dataset)
    for batch, (X, y) in enumerate(dataloader):
        pred = model(X)
        loss = loss_fn(pred, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if batch % 20 == 0:
            print(f"loss: {loss.item():>7f}  [{batch * len(X):>5d}/{size:>5d}]")

with torch.no_grad():
    accuracy = (model(test_x / 16).argmax(1) == test_y).float().mean().item()
print(f"score: {accuracy:.4f}")
