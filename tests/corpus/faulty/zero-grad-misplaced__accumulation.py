"""
rule: zero-grad-misplaced
severity: error
style: accumulation (cleared before every micro-batch, stepped every eighth)
data: digits
source: RULES.md ("inside an accumulation"); zero_grad stayed at the head of the loop
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn


class MLP(nn.Module):
    def __init__(self, width=128):
        super().__init__()
        self.hidden = nn.Linear(64, width)
        self.hidden2 = nn.Linear(width, width)
        self.out = nn.Linear(width, 10)

    def forward(self, x):
        x = F.relu(self.hidden(x.flatten(1)))
        x = F.relu(self.hidden2(x))
        return self.out(x)


def batches(x, y, size):
    order = torch.randperm(len(x))
    for k in range(0, len(x) - size + 1, size):
        yield x[order[k : k + size]], y[order[k : k + size]]


def train(model, x, y, epochs=6, micro_batch=8, accumulate=8):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    count = 0
    for epoch in range(epochs):
        total = 0.0
        for xb, yb in batches(x, y, micro_batch):
            optimizer.zero_grad()  # FAULT
            # FIXED:
            loss = F.cross_entropy(model(xb), yb)
            (loss / accumulate).backward()  # ALSO
            count += 1
            total += loss.item()
            if count % accumulate == 0:
                optimizer.step()  # ALSO
                # FIXED: optimizer.zero_grad()
        print(f"{epoch}: {total / (len(x) // micro_batch):.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x_train, y_train, x_test, y_test = map(torch.from_numpy, digits())
    net = MLP()
    train(net, x_train / 16 - 0.5, y_train)
    with torch.no_grad():
        accuracy = (net(x_test / 16 - 0.5).argmax(1) == y_test).float().mean()
    print(f"score: {accuracy:.4f}")
