"""
rule: missing-zero-grad
severity: error
style: closure handed to optimizer.step
data: digits
source: the closure form of the optimizer's documentation, its zero_grad left out
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

net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

for step in range(300):
    index = torch.randint(0, len(x_train), (64,))

    def closure(index=index):
        # FIXED: optimizer.zero_grad()
        loss = F.cross_entropy(net(x_train[index]), y_train[index])
        loss.backward()  # FAULT
        return loss

    loss = optimizer.step(closure)  # FAULT
    if step % 50 == 0:
        print(step, loss.item())

with torch.no_grad():
    accuracy = (net(x_valid).argmax(1) == y_valid).float().mean().item()
print(f"score: {accuracy:.4f}")
