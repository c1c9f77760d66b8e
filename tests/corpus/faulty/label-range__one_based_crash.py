"""
rule: label-range
severity: error
style: plain loop
data: digits
source: faults.csv A36 (labels that begin at 1; here one more than the head has)
proof: logic
also: non-finite
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

x_train, y_train, x_test, y_test = digits()
# as in the MATLAB file these came from: "0" is stored as class 10
y_train[y_train == 0] = 10
y_test[y_test == 0] = 10
x_train, x_test = torch.tensor(x_train) / 16, torch.tensor(x_test) / 16
y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)  # FAULT
# FIXED: y_train, y_test = torch.tensor(y_train) % 10, torch.tensor(y_test) % 10
loader = DataLoader(TensorDataset(x_train, y_train), batch_size=32, shuffle=True)

model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(16 * 16, 10),  # ALSO
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(5):
    for inputs, targets in loader:
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = criterion(outputs, targets)  # ALSO
        loss.backward()
        optimizer.step()
    print("epoch", epoch, loss.item())

with torch.no_grad():
    print("score:", (model(x_test).argmax(1) == y_test).float().mean().item())
