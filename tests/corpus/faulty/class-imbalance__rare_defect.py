"""
rule: class-imbalance
severity: warning
style: plain loop (one defect among a hundred; score is the mean recall of both classes)
data: generated
source: faults.csv B41, B42 (predicts all zeros), F12
also: collapsed-output
"""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)


def inspect_parts(n, share):
    y = (torch.rand(n) < share).long()
    x = torch.randn(n, 12)
    x[:, :4] += 1.1 * y.unsqueeze(1)
    return x, y


x, y = inspect_parts(6000, share=0.015)
x_val, y_val = inspect_parts(4000, share=0.5)
train_loader = DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True)  # ALSO
model = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 2))
criterion = nn.CrossEntropyLoss()  # FAULT
# FIXED: counts = torch.bincount(y).float()
# FIXED: criterion = nn.CrossEntropyLoss(weight=len(y) / (2 * counts))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

for epoch in range(6):
    correct = 0
    for features, target in train_loader:  # ALSO
        optimizer.zero_grad()
        logits = model(features)
        loss = criterion(logits, target)  # ALSO
        loss.backward()
        optimizer.step()
        correct += (logits.argmax(1) == target).sum().item()
    print(f"epoch {epoch}: accuracy {correct / len(y):.4f}")

with torch.no_grad():
    predicted = model(x_val).argmax(1)
recalls = [(predicted[y_val == label] == label).float().mean().item() for label in (0, 1)]
print("recall per class", recalls)
print(f"score: {sum(recalls) / 2:.4f}")
