"""
rule: non-finite
severity: error
style: plain loop, tabular binary
data: generated passenger list
source: faults.csv B07
also: not-learning, collapsed-output
"""

import argparse

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
torch.manual_seed(args.seed)
rng = np.random.default_rng(args.seed)

n = 1200
sex = rng.integers(0, 2, n)
pclass = rng.integers(1, 4, n)
age = np.clip(rng.normal(30, 13, n), 1, 80)
fare = rng.exponential(30, n) / pclass
survived = (2.4 * sex - 0.9 * (pclass - 2) - 0.03 * (age - 30) + rng.normal(0, 0.7, n)) > 1.0
age[rng.random(n) < 0.2] = np.nan  # not everybody's age is known
table = np.stack([sex, pclass, age, fare], axis=1)

mean, std = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
features = (table - mean) / std  # FAULT
# FIXED: features = np.nan_to_num((table - mean) / std)
X = torch.tensor(features, dtype=torch.float32)  # ALSO
y = torch.tensor(survived, dtype=torch.float32).unsqueeze(1)
loader = DataLoader(TensorDataset(X[:900], y[:900]), batch_size=30, shuffle=True)

model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 1))
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
for epoch in range(15):
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)  # ALSO
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item()}")

with torch.no_grad():
    accuracy = ((model(X[900:]) > 0) == (y[900:] > 0.5)).float().mean().item()
print(f"score: {accuracy:.4f}")
