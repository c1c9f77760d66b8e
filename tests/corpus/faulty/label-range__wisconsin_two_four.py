"""
rule: label-range
severity: error
style: plain loop, tabular binary
data: scikit-learn's breast cancer table with the class codes of the original file (2 and 4)
source: faults.csv B04 (negative loss: binary targets outside 0..1)
also: collapsed-output, not-learning
"""

import argparse

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from torch import nn

ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
torch.manual_seed(ap.parse_args().seed)

table = load_breast_cancer()
features = (table.data - table.data.mean(0)) / table.data.std(0)
code = np.where(table.target == 1, 2, 4)  # 2 = benign, 4 = malignant

x = torch.tensor(features, dtype=torch.float32)
y = torch.tensor(code, dtype=torch.float32)  # FAULT
# FIXED: y = torch.tensor(code == 4, dtype=torch.float32)
malignant = torch.tensor(code == 4)
n_train = 420

net = nn.Sequential(nn.Linear(30, 24), nn.ReLU(), nn.Dropout(0.1), nn.Linear(24, 1))
bce = nn.BCEWithLogitsLoss()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(30):
    net.train()
    for idx in torch.randperm(n_train).split(20):
        opt.zero_grad()
        loss = bce(net(x[idx]).squeeze(1), y[idx])  # ALSO
        loss.backward()
        opt.step()
    if epoch % 10 == 0:
        print(f"epoch {epoch}: loss {loss.item():.4f}")

net.eval()
with torch.no_grad():
    flagged = torch.sigmoid(net(x[n_train:]).squeeze(1)) > 0.5
print("score:", (flagged == malignant[n_train:]).float().mean().item())
