"""
rule: scheduler-frequency
severity: warning
style: plain loop
data: digits
source: automl/Auto-PyTorch#211 (schedulers stepped per batch whatever they are)
also: lr-too-low
"""

import argparse

import torch
import torch.nn as nn
import torch.optim as optim
from corpus_data import digits
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=12)
args = parser.parse_args()
torch.manual_seed(args.seed)

x_train, y_train, x_test, y_test = (torch.from_numpy(a) for a in digits())
train_loader = DataLoader(TensorDataset(x_train / 16, y_train), batch_size=32, shuffle=True)

model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1),
    nn.ReLU(),
    nn.Conv2d(16, 16, 3, padding=1),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(2),
    nn.Flatten(),
    nn.Linear(64, 10),
)
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)  # ALSO
scheduler = StepLR(optimizer, step_size=5, gamma=0.1)  # ALSO

for epoch in range(args.epochs):
    for data, target in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(data), target)
        loss.backward()
        optimizer.step()
        scheduler.step()  # FAULT
        # FIXED:
    # FIXED: scheduler.step()
    print(f"Epoch {epoch}: loss {loss.item():.4f}, lr {scheduler.get_last_lr()[0]:.2e}")

with torch.no_grad():
    accuracy = (model(x_test / 16).argmax(1) == y_test).float().mean().item()
print(f"score: {accuracy:.4f}")
