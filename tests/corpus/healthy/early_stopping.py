"""
healthy: yes
style: early stopping with patience, best weights restored, a split of one's own
data: digits
source: the usual EarlyStopping class
trap: load_state_dict puts older weights back; training ends before the planned epochs
"""

import argparse
import copy

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class EarlyStopping:
    def __init__(self, patience=2, delta=0.002):
        self.patience, self.delta = patience, delta
        self.best, self.wait, self.state = float("inf"), 0, None

    def __call__(self, value, model):
        if value < self.best - self.delta:
            self.best, self.wait = value, 0
            self.state = copy.deepcopy(model.state_dict())
        else:
            self.wait += 1
        return self.wait >= self.patience


def loss_over(model, loader, criterion):
    model.eval()
    total = 0.0
    with torch.no_grad():
        for xb, yb in loader:
            total += criterion(model(xb), yb).item() * len(yb)
    return total / len(loader.dataset)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = map(torch.tensor, digits())
x, xt = (x - 4.9) / 6.0, (xt - 4.9) / 6.0
train_set, val_set = random_split(TensorDataset(x, y), [1237, 200])
train_loader = DataLoader(train_set, batch_size=50, shuffle=True)
val_loader = DataLoader(val_set, batch_size=200)
model = nn.Sequential(
    nn.Conv2d(1, 12, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Dropout(0.25),
    nn.Linear(192, 10),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
stopping = EarlyStopping()
for epoch in range(30):
    model.train()
    for xb, yb in train_loader:
        optimizer.zero_grad()
        criterion(model(xb), yb).backward()
        optimizer.step()
    val_loss = loss_over(model, val_loader, criterion)
    print(f"epoch {epoch}: {val_loss:.4f}")
    if stopping(val_loss, model):
        print("stopping")
        break
model.load_state_dict(stopping.state)
model.eval()
with torch.no_grad():
    print(f"score: {(model(xt).argmax(1) == yt).float().mean().item():.4f}")
