"""
rule: loss-choice
severity: warning
style: plain loop
data: digits
source: faults.csv A01 (a squared error on class numbers)
also: underfitting
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
x_train, x_test = x_train / 8 - 1, x_test / 8 - 1
loader = DataLoader(TensorDataset(x_train, y_train), batch_size=32, shuffle=True)

model = nn.Sequential(
    nn.Flatten(),
    nn.Linear(64, 64),
    nn.ReLU(),
    nn.Linear(64, 32),
    nn.ReLU(),
    nn.Linear(32, 1),  # FAULT
    # FIXED: nn.Linear(32, 10),
)
criterion = nn.MSELoss()  # FAULT
# FIXED: criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(10):
    for images, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(images).squeeze(1), labels.float())  # FAULT
        # FIXED: loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", loss.item())

with torch.no_grad():
    predicted = model(x_test).squeeze(1).round().long()  # FAULT
    # FIXED: predicted = model(x_test).argmax(1)
print("score:", (predicted == y_test).float().mean().item())
