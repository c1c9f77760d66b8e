"""
rule: no-step
severity: error
style: plain loop
data: digits
source: RULES.md; scheduler.step() typed where optimizer.step() belongs
also: not-learning, scheduler-frequency
"""

import argparse

import torch
import torch.nn as nn
from corpus_data import digits
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=5)
args = parser.parse_args()

torch.manual_seed(args.seed)
tx, ty, vx, vy = (torch.from_numpy(array) for array in digits())
train_data = TensorDataset(tx / 16.0, ty)
dataloader = DataLoader(train_data, batch_size=32, shuffle=True)

model = nn.Sequential(
    nn.Flatten(), nn.Linear(64, 100), nn.BatchNorm1d(100), nn.ReLU(), nn.Linear(100, 10)
)
loss_function = nn.CrossEntropyLoss(label_smoothing=0.05)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)  # ALSO
scheduler = CosineAnnealingLR(optimizer, T_max=args.epochs * len(dataloader))

for epoch in range(args.epochs):
    model.train()
    epoch_loss = 0.0
    for batch, targets in dataloader:
        optimizer.zero_grad()
        loss = loss_function(model(batch), targets)
        loss.backward()  # FAULT
        # FIXED: loss.backward()
        # FIXED: optimizer.step()
        scheduler.step()  # ALSO
        epoch_loss += loss.item()
    print(f"Epoch: {epoch}, loss: {epoch_loss / len(dataloader)}")

model.eval()
with torch.no_grad():
    predictions = model(vx / 16.0).argmax(dim=-1)
print(f"score: {(predictions == vy).float().mean():.4f}")
