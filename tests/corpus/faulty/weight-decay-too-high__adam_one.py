"""
rule: weight-decay-too-high
severity: warning
style: plain loop
data: digits
source: faults.csv B67 and F10 (too much regularisation)
also: not-learning, collapsed-output
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

x, y, x_test, y_test = (torch.from_numpy(a) for a in digits())
loader = DataLoader(TensorDataset(x.flatten(1) / 16, y), batch_size=32, shuffle=True)
model = nn.Sequential(
    nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 50), nn.ReLU(), nn.Linear(50, 10)
)
loss_function = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1)  # FAULT
# FIXED: optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)

for epoch in range(8):
    for inputs, targets in loader:
        optimizer.zero_grad()
        loss = loss_function(model(inputs), targets)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}, loss {loss.item():.4f}")

with torch.no_grad():
    accuracy = (model(x_test.flatten(1) / 16).argmax(1) == y_test).float().mean().item()
print(f"score: {accuracy:.4f}")
