"""
healthy: yes
style: sharpness-aware minimisation: two forward and backward passes a step
data: digits
source: Foret et al. 2021
trap: weights moved outside the optimizer and back; two backwards on one batch
"""

import argparse

import torch
from corpus_data import digits
from torch import nn


class SAM:
    def __init__(self, params, base, rho=0.05, **kwargs):
        self.params = list(params)
        self.base = base(self.params, **kwargs)
        self.rho = rho

    @torch.no_grad()
    def ascend(self):
        norm = torch.stack([p.grad.norm() for p in self.params]).norm()
        self.moves = [p.grad * (self.rho / (norm + 1e-12)) for p in self.params]
        for p, move in zip(self.params, self.moves):
            p.add_(move)

    @torch.no_grad()
    def descend(self):
        for p, move in zip(self.params, self.moves):
            p.sub_(move)
        self.base.step()

    def zero_grad(self):
        self.base.zero_grad()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = [torch.tensor(part) for part in digits()]
x, xt = x / 8.0 - 0.6, xt / 8.0 - 0.6
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(512, 10),
)
optimizer = SAM(model.parameters(), torch.optim.SGD, lr=0.05, momentum=0.9)
criterion = nn.CrossEntropyLoss()
for epoch in range(6):
    for idx in torch.randperm(len(x)).split(64):
        loss = criterion(model(x[idx]), y[idx])
        loss.backward()
        optimizer.ascend()
        optimizer.zero_grad()
        criterion(model(x[idx]), y[idx]).backward()
        optimizer.descend()
        optimizer.zero_grad()
    print(f"epoch {epoch}: {loss.item():.4f}")
with torch.no_grad():
    accuracy = (model(xt).argmax(1) == yt).float().mean().item()
print(f"score: {accuracy:.4f}")
