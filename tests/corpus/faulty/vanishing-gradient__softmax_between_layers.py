"""
rule: vanishing-gradient
severity: error
style: class
data: digits
source: faults.csv B17 (softmax as the activation inside the network)
also: not-learning, init-scale, lr-too-low
"""

import argparse

import torch
from corpus_data import digits
from torch import nn


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = nn.Linear(64, 128)
        self.l2 = nn.Linear(128, 128)
        self.l3 = nn.Linear(128, 64)
        self.l4 = nn.Linear(64, 10)
        self.activation = nn.Softmax(dim=1)  # FAULT
        # FIXED: self.activation = nn.ReLU()

    def forward(self, x):
        x = self.activation(self.l1(x.flatten(1)))  # ALSO
        x = self.activation(self.l2(x))  # ALSO
        x = self.activation(self.l3(x))  # ALSO
        return self.l4(x)


def evaluate(model, x, y):
    model.eval()
    with torch.no_grad():
        accuracy = (model(x).argmax(1) == y).float().mean().item()
    model.train()
    return accuracy


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = (torch.from_numpy(a) for a in digits())
x, xt = x / 16, xt / 16
model = Network()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
criterion = nn.CrossEntropyLoss()
for epoch in range(6):
    for idx in torch.randperm(len(x)).split(32):
        optimizer.zero_grad()
        criterion(model(x[idx]), y[idx]).backward()  # ALSO
        optimizer.step()
    print(f"epoch {epoch}: accuracy {evaluate(model, xt, yt):.4f}")
print("score:", evaluate(model, xt, yt))
