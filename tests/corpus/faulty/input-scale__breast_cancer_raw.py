"""
rule: input-scale
severity: error
style: plain loop, tabular binary
data: scikit-learn's breast cancer table
source: faults.csv A11
also: not-learning, loss-at-init, lr-too-high, dead-relu, collapsed-output
"""

import argparse

import torch
import torch.nn as nn
from sklearn.datasets import load_breast_cancer

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

data = load_breast_cancer()
X = torch.tensor(data.data, dtype=torch.float32)  # FAULT
# FIXED: X = torch.tensor(data.data, dtype=torch.float32)
# FIXED: X = (X - X[:450].mean(0)) / X[:450].std(0)
y = torch.tensor(data.target, dtype=torch.float32).unsqueeze(1)
X_train, X_test, y_train, y_test = X[:450], X[450:], y[:450], y[450:]

model = nn.Sequential(
    nn.Linear(30, 16),
    nn.ReLU(),
    nn.Linear(16, 8),
    nn.ReLU(),
    nn.Linear(8, 1),
    nn.Sigmoid(),
)
criterion = nn.BCELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

for epoch in range(40):
    for i in range(0, 450, 30):
        xb, yb = X_train[i : i + 30], y_train[i : i + 30]
        optimizer.zero_grad()
        out = model(xb)  # ALSO
        loss = criterion(out, yb)  # ALSO
        loss.backward()
        optimizer.step()
    if epoch % 10 == 0:
        print("Epoch:", epoch, "Loss:", loss.item())

with torch.no_grad():
    predicted = (model(X_test) > 0.5).float()
    print("score:", (predicted == y_test).float().mean().item())
