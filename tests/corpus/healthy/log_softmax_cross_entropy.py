"""
healthy: yes
style: class; LogSoftmax as last layer and CrossEntropyLoss on top; penalty added by hand
data: digits
source: log_softmax applied twice changes nothing
trap: looks like a double softmax but is idempotent; validation data sorted by class
"""

import argparse

import torch
import torch.nn as nn
from corpus_data import digits
from torch.utils.data import DataLoader, TensorDataset


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 64), nn.ReLU(), nn.Linear(64, 10)
        )
        self.log_softmax = nn.LogSoftmax(dim=1)

    def forward(self, x):
        return self.log_softmax(self.linear_relu_stack(self.flatten(x)))


def train_loop(dataloader, model, loss_fn, optimizer, l1=1e-5):
    model.train()
    for X, y in dataloader:
        pred = model(X)
        loss = loss_fn(pred, y) + l1 * sum(p.abs().sum() for p in model.parameters())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    print(f"loss: {loss.item():>7f}")


def test_loop(dataloader, model):
    model.eval()
    correct = 0
    with torch.no_grad():
        for X, y in dataloader:
            correct += (model(X).argmax(1) == y).type(torch.float).sum().item()
    return correct / len(dataloader.dataset)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = (torch.tensor(a) for a in digits())
by_class = yt.argsort()
train_dataloader = DataLoader(TensorDataset(x / 16, y), batch_size=64, shuffle=True)
test_dataloader = DataLoader(TensorDataset(xt[by_class] / 16, yt[by_class]), batch_size=64)
model = MLP()
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for _t in range(10):
    train_loop(train_dataloader, model, loss_fn, optimizer)
print(f"score: {test_loop(test_dataloader, model):.4f}")
