"""
rule: vanishing-gradient
severity: error
style: plain loop
data: digits
source: faults.csv A12
also: not-learning, collapsed-output, init-scale, lr-too-low
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--depth", type=int, default=5)
args = parser.parse_args()
torch.manual_seed(args.seed)

x_train, y_train, x_test, y_test = (torch.from_numpy(a) for a in digits())
x_train, x_test = x_train / 8 - 0.6, x_test / 8 - 0.6
loader = DataLoader(TensorDataset(x_train, y_train), batch_size=32, shuffle=True)

modules = [nn.Flatten(), nn.Linear(64, 64)]  # ALSO
for _ in range(args.depth):
    modules += [nn.Sigmoid(), nn.Linear(64, 64)]  # FAULT
    # FIXED: modules += [nn.ReLU(), nn.Linear(64, 64)]
modules += [nn.Sigmoid(), nn.Linear(64, 10)]  # FAULT
# FIXED: modules += [nn.ReLU(), nn.Linear(64, 10)]
model = nn.Sequential(*modules)

optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
criterion = nn.CrossEntropyLoss()
for epoch in range(8):
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)  # ALSO
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score: {(model(x_test).argmax(1) == y_test).float().mean().item():.4f}")
