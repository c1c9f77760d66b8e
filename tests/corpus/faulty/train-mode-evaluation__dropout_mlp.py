"""
rule: train-mode-evaluation
severity: error
style: plain loop
data: digits
source: faults.csv B51 (dropout active at inference), wolny/pytorch-3dunet#53
"""

import argparse

import torch
import torch.nn as nn
from corpus_data import digits
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

X_train, y_train, X_test, y_test = (torch.from_numpy(a) for a in digits())
train_loader = DataLoader(TensorDataset(X_train / 16, y_train), batch_size=64, shuffle=True)
test_loader = DataLoader(TensorDataset(X_test / 16, y_test), batch_size=64)

model = nn.Sequential(
    nn.Flatten(),
    nn.Linear(64, 128),
    nn.ReLU(),
    nn.Dropout(0.5),
    nn.Linear(128, 64),
    nn.ReLU(),
    nn.Dropout(0.5),
    nn.Linear(64, 10),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

for epoch in range(8):
    # FIXED: model.train()
    for data, target in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(data), target)
        loss.backward()
        optimizer.step()

    correct, total = 0, 0
    # FIXED: model.eval()
    with torch.no_grad():  # FAULT
        for data, target in test_loader:
            predicted = model(data).argmax(dim=1)  # ALSO
            total += target.size(0)
            correct += (predicted == target).sum().item()
    print(f"Epoch {epoch}, accuracy on the test images: {100 * correct / total:.1f}%")

print(f"score: {correct / total:.4f}")
