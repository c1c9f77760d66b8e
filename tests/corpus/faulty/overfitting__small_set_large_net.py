"""
rule: overfitting
severity: warning
style: plain loop (score is minus the validation loss)
data: fashion
source: faults.csv F08 (no regularisation)
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=60)  # ALSO
args = parser.parse_args()
torch.manual_seed(args.seed)

x, y, x_val, y_val = (torch.from_numpy(a) for a in fashion(300, 500))
x, x_val = (x / 255 - 0.29) / 0.35, (x_val / 255 - 0.29) / 0.35
train_loader = DataLoader(TensorDataset(x, y), batch_size=20, shuffle=True)  # ALSO
val_loader = DataLoader(TensorDataset(x_val, y_val), batch_size=250)
model = nn.Sequential(
    nn.Flatten(),
    nn.Linear(784, 512),  # ALSO
    nn.ReLU(),
    # FIXED: nn.Dropout(0.5),
    nn.Linear(512, 256),
    nn.ReLU(),
    # FIXED: nn.Dropout(0.5),
    nn.Linear(256, 10),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)  # FAULT
# FIXED: optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
best, since_best = float("inf"), 0

for epoch in range(args.epochs):
    model.train()
    train_loss = 0.0
    for xb, yb in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)  # ALSO
        loss.backward()
        optimizer.step()
        train_loss += loss.item() / len(train_loader)
    model.eval()
    with torch.no_grad():
        val_loss = sum(criterion(model(xb), yb).item() for xb, yb in val_loader) / len(val_loader)
    since_best = 0 if val_loss < best else since_best + 1
    best = min(best, val_loss)
    if epoch % 5 == 0:
        print(f"epoch {epoch}: train {train_loss:.4f} val {val_loss:.4f}")
    # FIXED: if since_best >= 4:
    # FIXED:     break
print(f"score: {-val_loss:.4f}")
