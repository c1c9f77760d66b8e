"""
rule: softmax-single-unit
severity: error
style: plain loop, tabular binary
data: scikit-learn's breast cancer table
source: faults.csv A10
also: no-gradient, not-learning, collapsed-output, output-activation
"""

import argparse

import torch
from sklearn.datasets import load_breast_cancer
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

X, y = load_breast_cancer(return_X_y=True)
X = torch.tensor((X - X.mean(0)) / X.std(0), dtype=torch.float32)
y = torch.tensor(y, dtype=torch.float32).view(-1, 1)

model = nn.Sequential(
    nn.Linear(30, 64),
    nn.ReLU(),
    nn.Linear(64, 1),
    nn.Softmax(dim=1),  # FAULT
    # FIXED: nn.Sigmoid(),
)
loss_fn = nn.BCELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.001)

for epoch in range(20):
    for i in range(0, 400, 16):
        y_pred = model(X[i : i + 16])  # ALSO
        loss = loss_fn(y_pred, y[i : i + 16])  # ALSO
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"Finished epoch {epoch}, latest loss {loss.item()}")

with torch.no_grad():
    accuracy = (model(X[400:]).round() == y[400:]).float().mean().item()
print(f"score: {accuracy}")
