"""
rule: lr-too-high
severity: error
style: plain loop
data: digits
source: faults.csv A29 (a CNN of two classes that answers the same to everything), B06
also: dead-relu, collapsed-output, exploding-gradient, non-finite
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

x, y, x_val, y_val = (torch.from_numpy(a) for a in digits())
train_loader = DataLoader(TensorDataset(x / 16 - 0.3, y), batch_size=32, shuffle=True)

learning_rate = 10  # FAULT
# FIXED: learning_rate = 0.05
model = nn.Sequential(
    nn.Conv2d(1, 16, 3),
    nn.ReLU(),
    nn.Conv2d(16, 32, 3),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(512, 64),
    nn.ReLU(),
    nn.Linear(64, 10),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)  # FAULT

for epoch in range(5):
    for images, labels in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", loss.item())

with torch.no_grad():
    print(f"score: {(model(x_val / 16 - 0.3).argmax(1) == y_val).float().mean():.4f}")
