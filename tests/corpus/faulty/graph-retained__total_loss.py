"""
rule: graph-retained
severity: warning
style: plain loop
data: digits
source: google/brax PR#152, PyTorch FAQ ("don't accumulate history across your training loop");
    the score stays the same, memory grows with every batch
proof: logic
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

x_train, y_train, x_test, y_test = (torch.from_numpy(a) for a in digits())
loader = DataLoader(TensorDataset(x_train / 16, y_train), batch_size=32, shuffle=True)
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(256, 10),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

for epoch in range(4):
    total_loss = 0
    for inputs, targets in loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), targets)  # ALSO
        loss.backward()
        optimizer.step()
        total_loss += loss  # FAULT
        # FIXED: total_loss += loss.item()
    print(f"epoch {epoch}: {total_loss / len(loader):.4f}")

with torch.no_grad():
    print(f"score: {(model(x_test / 16).argmax(1) == y_test).float().mean():.4f}")
