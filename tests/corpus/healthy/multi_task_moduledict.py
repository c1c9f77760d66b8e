"""
healthy: yes
style: ModuleList and ModuleDict, one head trained at a time
data: digits
source: the usual multi-task loop
trap: heads that get no gradient on most steps
"""

import argparse
import itertools

import torch
from corpus_data import digits
from torch import nn

TASKS = {"digit": 10, "parity": 2, "large": 2}


class MultiTask(nn.Module):
    def __init__(self):
        super().__init__()
        sizes = [64, 96, 64]
        self.trunk = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.heads = nn.ModuleDict({name: nn.Linear(64, n) for name, n in TASKS.items()})

    def forward(self, x, task):
        for layer in self.trunk:
            x = torch.relu(layer(x))
        return self.heads[task](x)


def targets(y):
    return {"digit": y, "parity": y % 2, "large": (y >= 5).long()}


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = map(torch.tensor, digits())
x, xt = ((x - 4.9) / 6).flatten(1), ((xt - 4.9) / 6).flatten(1)
labels, labels_test = targets(y), targets(yt)
model = MultiTask()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
criterion = nn.CrossEntropyLoss()
names = list(TASKS)
step = 0
for epoch in range(15):
    model.train()
    for idx in torch.randperm(len(x)).split(64):
        task = names[step % 3]
        step += 1
        optimizer.zero_grad()
        loss = criterion(model(x[idx], task), labels[task][idx])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(epoch, task, f"{loss.item():.4f}")
model.eval()
with torch.no_grad():
    scores = [(model(xt, t).argmax(1) == labels_test[t]).float().mean().item() for t in names]
print(dict(zip(names, scores)))
print(f"score: {sum(scores) / 3:.4f}")
