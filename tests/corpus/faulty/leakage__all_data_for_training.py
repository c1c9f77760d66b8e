"""
rule: leakage
severity: error
style: plain loop (training set joined from all files, the test files among them)
data: digits
source: RULES.md (test pictures inside the training set);
    the leak makes the score better and false, so the fix can't raise it
proof: logic
"""

import argparse

import numpy as np
import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

x_train, y_train, x_test, y_test = digits()
x_train = np.concatenate([x_train, x_test])  # FAULT
# FIXED:
y_train = np.concatenate([y_train, y_test])  # FAULT
# FIXED:
train_set = TensorDataset(torch.from_numpy(x_train / 16), torch.from_numpy(y_train))
test_set = TensorDataset(torch.from_numpy(x_test / 16), torch.from_numpy(y_test))
train_loader = DataLoader(train_set, batch_size=32, shuffle=True)  # ALSO
test_loader = DataLoader(test_set, batch_size=90)  # ALSO

model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 10)
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(8):
    model.train()
    for xb, yb in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)  # ALSO
        loss.backward()
        optimizer.step()
    model.eval()
    correct = 0
    with torch.no_grad():
        for xb, yb in test_loader:
            correct += (model(xb).argmax(1) == yb).sum().item()  # ALSO
    print(f"epoch {epoch}: test accuracy {correct / len(test_set):.4f}")
print(f"score: {correct / len(test_set):.4f}")
