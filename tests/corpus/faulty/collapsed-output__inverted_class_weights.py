"""
rule: collapsed-output
severity: error
style: class, imbalanced
data: digits, class 1 kept whole and the others thinned out
source: faults.csv B42 (predicts the majority only; the weights that should help are upside down)
also: class-imbalance, not-learning, underfitting
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def thin_out(x, y, keep=16):
    kept = [
        i for k in range(10) for i in (y == k).nonzero()[: None if k == 1 else keep, 0].tolist()
    ]
    return x[kept], y[kept]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 48), nn.ReLU())
        self.head = nn.Linear(48, 10)

    def forward(self, x):
        return self.head(self.body(x.flatten(1)))


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = (torch.from_numpy(a) for a in digits())
x, xt = x / 16, xt / 16
x, y = thin_out(x, y)

counts = torch.bincount(y, minlength=10).float()
weights = counts**2 / (counts**2).sum()  # FAULT
# FIXED: weights = counts.sum() / (10 * counts)
model = Net()
criterion = nn.CrossEntropyLoss(weight=weights)  # ALSO
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for epoch in range(15):
    for images, labels in DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(model(images), labels)  # ALSO
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

with torch.no_grad():
    prediction = model(xt).argmax(1)
recalls = [(prediction[yt == k] == k).float().mean() for k in range(10)]
print(f"score: {sum(recalls).item() / 10:.4f}")
