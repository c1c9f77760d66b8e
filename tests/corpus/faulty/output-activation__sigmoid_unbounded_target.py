"""
rule: output-activation
severity: error
style: plain loop, regression
data: scikit-learn's diabetes table
source: faults.csv A19
also: not-learning, saturated-activation, underfitting
"""

import argparse

import torch
from sklearn.datasets import load_diabetes
from torch import nn

ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
torch.manual_seed(ap.parse_args().seed)

X, t = load_diabetes(return_X_y=True)
X = torch.tensor(X / X.std(0), dtype=torch.float32)
t = torch.tensor(t / 10, dtype=torch.float32).reshape(-1, 1)  # disease progression, tens

model = nn.Sequential(
    nn.Linear(10, 32),
    nn.ReLU(),
    nn.Linear(32, 32),
    nn.ReLU(),
    nn.Linear(32, 1),
    nn.Sigmoid(),  # FAULT
    # FIXED:
)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loss_fn = nn.MSELoss()
for epoch in range(40):
    for idx in torch.randperm(350).split(35):
        loss = loss_fn(model(X[idx]), t[idx])  # ALSO
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        print("epoch", epoch + 1, "mse", loss.item())

with torch.no_grad():
    rmse = loss_fn(model(X[350:]), t[350:]).sqrt().item()
print("score:", -rmse)
