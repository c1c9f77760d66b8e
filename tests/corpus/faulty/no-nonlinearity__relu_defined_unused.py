"""
rule: no-nonlinearity
severity: error
style: class, regression
data: generated waves
source: faults.csv A01 (hidden layers without activations)
also: underfitting
"""

import argparse

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Regressor(nn.Module):
    def __init__(self, in_features, hidden=64):
        super().__init__()
        self.fc1 = nn.Linear(in_features, hidden)  # ALSO
        self.fc2 = nn.Linear(hidden, hidden)  # ALSO
        self.out = nn.Linear(hidden, 1)  # ALSO
        self.act = nn.Tanh()

    def forward(self, x):
        h = self.fc1(x)  # FAULT
        # FIXED: h = self.act(self.fc1(x))
        h = self.fc2(h)  # FAULT
        # FIXED: h = self.act(self.fc2(h))
        return self.out(h).squeeze(1)  # ALSO


def load(seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (1200, 3)).astype(np.float32)
    y = np.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.05 * rng.standard_normal(1200)
    return torch.from_numpy(x), torch.from_numpy(y.astype(np.float32))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    torch.manual_seed(seed)
    x, y = load(seed)
    loader = DataLoader(TensorDataset(x[:1000], y[:1000]), batch_size=50, shuffle=True)
    model = Regressor(3)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    criterion = nn.MSELoss()
    for epoch in range(30):
        model.train()
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)  # ALSO
            loss.backward()
            optimizer.step()
        if (epoch + 1) % 10 == 0:
            print(f"Epoch {epoch + 1}/30  loss={loss.item():.4f}")
    model.eval()
    with torch.no_grad():
        mse = criterion(model(x[1000:]), y[1000:]).item()
    print(f"score: {-mse:.5f}")


main()
