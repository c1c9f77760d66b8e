"""
rule: exploding-gradient
severity: error
style: class, recurrent
data: generated sums of long sequences
source: faults.csv B05: the gradient grows with every step of time
also: init-scale, non-finite, lr-too-high, loss-at-init
"""

import argparse

import torch
from torch import nn


class ReluRNN(nn.Module):
    def __init__(self, hidden=40):
        super().__init__()
        self.inp = nn.Linear(1, hidden)
        self.rec = nn.Linear(hidden, hidden, bias=False)  # ALSO
        self.out = nn.Linear(hidden, 1)
        nn.init.normal_(self.rec.weight, std=0.5)  # FAULT
        # FIXED: self.rec.weight.data = torch.eye(hidden)

    def forward(self, sequence):
        h = torch.relu(self.inp(sequence[:, 0]))
        for t in range(1, sequence.shape[1]):
            h = torch.relu(self.inp(sequence[:, t]) + self.rec(h))  # ALSO
        return self.out(h).squeeze(1)


def sums(n, length=30):
    x = torch.rand(n, length, 1) * 2 - 1
    return x, x.sum((1, 2)) / length**0.5


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y = sums(1500)
xv, yv = sums(300)
model = ReluRNN()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
mse = nn.MSELoss()
for epoch in range(6):
    for idx in torch.randperm(len(x)).split(50):
        loss = mse(model(x[idx]), y[idx])  # ALSO
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    print("score:", -mse(model(xv), yv).item())
