"""
rule: loss-broadcast
severity: error
style: plain loop, regression
data: scikit-learn's diabetes table
source: RULES.md (predictions (N, 1), targets (N,): the mean over N x N differences)
also: not-learning, collapsed-output
"""

import argparse

import torch
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

data = load_diabetes()
x = torch.tensor(data.data, dtype=torch.float32)
x = (x - x.mean(0)) / x.std(0)
y = torch.tensor(data.target, dtype=torch.float32)
y = (y - y.mean()) / y.std()
train_loader = DataLoader(TensorDataset(x[:340], y[:340]), batch_size=34, shuffle=True)

model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(40):
    for features, target in train_loader:
        optimizer.zero_grad()
        output = model(features)  # ALSO
        loss = criterion(output, target)  # FAULT
        # FIXED: loss = criterion(output.squeeze(1), target)
        loss.backward()
        optimizer.step()
    if epoch % 10 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")

with torch.no_grad():
    residual = model(x[340:]).squeeze(1) - y[340:]
    r2 = 1 - residual.pow(2).sum() / (y[340:] - y[340:].mean()).pow(2).sum()
print(f"score: {r2.item():.4f}")
