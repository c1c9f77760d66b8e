"""
rule: label-misalignment
severity: error
style: tensors split by hand, validation loss only
data: digits
source: images[torch.randperm(n)], labels[torch.randperm(n)] in somebody's loop
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from corpus_data import digits

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

x_train, y_train, x_valid, y_valid = map(torch.tensor, digits())
x_train, x_valid = (x.reshape(-1, 64) / 8.0 - 1.0 for x in (x_train, x_valid))
order = torch.randperm(len(x_train))
x_train = x_train[order]
y_train = y_train[torch.randperm(len(y_train))]  # FAULT
# FIXED: y_train = y_train[order]

net = nn.Sequential(
    nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)
)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

for epoch in range(25):
    for index in torch.randperm(len(x_train)).split(64):
        x, y = x_train[index], y_train[index]  # ALSO
        loss = F.cross_entropy(net(x), y)  # ALSO
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        valid = F.cross_entropy(net(x_valid), y_valid)
    net.train()
    print(f"{epoch}: {loss.item():.3f} {valid.item():.3f}")

with torch.no_grad():
    accuracy = (net(x_valid).argmax(1) == y_valid).float().mean().item()
print(f"score: {accuracy:.4f}")
