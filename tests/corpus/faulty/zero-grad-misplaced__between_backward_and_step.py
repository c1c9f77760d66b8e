"""
rule: zero-grad-misplaced
severity: error
style: plain loop
data: digits
source: RULES.md; "put it anywhere in the loop"
also: not-learning, no-gradient
"""

import argparse

import torch
from corpus_data import digits
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

p = argparse.ArgumentParser()
p.add_argument("--seed", default=0, type=int)
torch.manual_seed(p.parse_args().seed)

X, Y, X_val, Y_val = [torch.from_numpy(t) for t in digits()]
mean, std = X.mean(), X.std()
train_ds = TensorDataset((X - mean) / std, Y)
val_ds = TensorDataset((X_val - mean) / std, Y_val)
train_dl = DataLoader(train_ds, batch_size=64, shuffle=True)
val_dl = DataLoader(val_ds, batch_size=256)

model = nn.Sequential(
    nn.Conv2d(1, 32, kernel_size=3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(32, 64, kernel_size=3, padding=1),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(64 * 16, 10),
)
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=1e-3)

for epoch in range(5):
    model.train()
    for xb, yb in train_dl:
        pred = model(xb)
        loss = criterion(pred, yb)
        # FIXED: optimizer.zero_grad()
        loss.backward()  # ALSO
        optimizer.zero_grad()  # FAULT
        # FIXED:
        optimizer.step()  # ALSO
    model.eval()
    with torch.no_grad():
        hits = sum((model(xb).argmax(1) == yb).sum().item() for xb, yb in val_dl)
    print(f"Epoch {epoch}: train loss {loss.item():.4f}, val acc {hits / len(val_ds):.3f}")

print(f"score: {hits / len(val_ds):.4f}")
