"""
rule: collapsed-output
severity: error
style: class, regression
data: generated
source: faults.csv B03 (always the same result; a LayerNorm over one unit gives its bias)
also: not-learning, no-gradient
"""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class MLP(nn.Module):
    def __init__(self, dims):
        super().__init__()
        layers = []
        for i in range(len(dims) - 1):
            a, b = dims[i], dims[i + 1]
            layers.append(nn.Linear(a, b))
            layers.append(nn.LayerNorm(b))  # FAULT
            # FIXED: layers.append(nn.LayerNorm(b) if b > 1 else nn.Identity())
            if i < len(dims) - 2:
                layers.append(nn.GELU())
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x)  # ALSO


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x = torch.rand(1600, 6) * 2 - 1
y = (torch.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] - 0.5 * x[:, 3] ** 2).unsqueeze(1)
loader = DataLoader(TensorDataset(x[:1300], y[:1300]), batch_size=50, shuffle=True)

model = MLP([6, 64, 64, 1])
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-3)
criterion = nn.MSELoss()
for epoch in range(15):
    for features, target in loader:
        optimizer.zero_grad()
        loss = criterion(model(features), target)  # ALSO
        loss.backward()
        optimizer.step()
    print(f"{epoch}: {loss.item():.4f}")
model.eval()
with torch.no_grad():
    print(f"score: {-criterion(model(x[1300:]), y[1300:]).item():.5f}")
