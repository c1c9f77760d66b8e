"""
rule: saturated-activation
severity: error
style: Trainer class, gated regression
data: generated mixtures of two regimes
source: faults.csv B52 (a gate made so steep that it is 0 or 1 and can't move)
also: vanishing-gradient, underfitting, no-gradient
"""

import argparse

import torch
from torch import nn


class Gated(nn.Module):
    def __init__(self, d, hidden=48, sharpness=200.0):
        super().__init__()
        self.embed = nn.Linear(d, hidden)
        self.gate1 = nn.Linear(d, hidden)
        self.gate2 = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, 1)
        self.sharpness = sharpness

    def forward(self, x):
        g = torch.sigmoid(self.sharpness * self.gate1(x))  # FAULT
        # FIXED: g = torch.sigmoid(self.gate1(x))
        g = torch.sigmoid(self.sharpness * self.gate2(g))  # FAULT
        # FIXED: g = torch.sigmoid(self.gate2(g))
        return self.value(g * self.embed(x)).squeeze(1)


class Trainer:
    def __init__(self, model, lr):
        self.model = model
        self.loss = nn.MSELoss()
        self.optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    def fit(self, x, y, epochs):
        for epoch in range(epochs):
            for idx in torch.randperm(len(x)).split(50):
                self.optimizer.zero_grad()
                loss = self.loss(self.model(x[idx]), y[idx])  # ALSO
                loss.backward()
                self.optimizer.step()
            if epoch % 10 == 0:
                print(epoch, loss.item())


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x = torch.randn(1500, 5)
switch = torch.sigmoid(2 * (x[:, 0] + x[:, 1]))
y = switch * (x[:, 2] - x[:, 3]) + (1 - switch) * (1.5 * x[:, 4] + x[:, 3])
trainer = Trainer(Gated(5), lr=5e-3)
trainer.fit(x[:1200], y[:1200], epochs=40)
with torch.no_grad():
    print("score:", -trainer.loss(trainer.model(x[1200:]), y[1200:]).item())
