"""
healthy: yes
style: one linear layer that starts at zero, SGD by hand-cut batches
data: digits
source: softmax regression as taught
trap: all weights equal at the start (harmless in a single layer); a third of the inputs always 0
"""

import argparse

import torch
from corpus_data import digits
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = [torch.from_numpy(a) for a in digits()]
x, xt = x.flatten(1) / 16, xt.flatten(1) / 16
model = nn.Linear(64, 10)
nn.init.zeros_(model.weight)
nn.init.zeros_(model.bias)
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
cross_entropy = nn.CrossEntropyLoss()
for epoch in range(20):
    order = torch.randperm(len(x))
    for start in range(0, len(order), 32):
        batch = order[start : start + 32]
        optimizer.zero_grad()
        loss = cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        with torch.no_grad():
            print(epoch, cross_entropy(model(xt), yt).item())
with torch.no_grad():
    print(f"score: {(model(xt).argmax(1) == yt).float().mean().item():.4f}")
