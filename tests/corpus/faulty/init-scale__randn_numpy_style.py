"""
rule: init-scale
severity: error
style: raw parameters
data: digits
source: faults.csv B27
also: loss-at-init, exploding-gradient, lr-too-high
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits

cli = argparse.ArgumentParser()
cli.add_argument("--seed", type=int, default=0)
torch.manual_seed(cli.parse_args().seed)

x_train, y_train, x_test, y_test = [torch.from_numpy(a) for a in digits()]
x_train = x_train.reshape(-1, 64) / 16 - 0.5
x_test = x_test.reshape(-1, 64) / 16 - 0.5

dims = [64, 200, 200, 100, 10]
weights, biases = [], []
for i in range(len(dims) - 1):
    fan_in, fan_out = dims[i], dims[i + 1]
    w = torch.randn(fan_in, fan_out)  # FAULT
    # FIXED: w = torch.randn(fan_in, fan_out) * (2 / fan_in) ** 0.5
    weights.append(w.requires_grad_())
    biases.append(torch.zeros(fan_out, requires_grad=True))


def forward(x):
    for w, b in zip(weights[:-1], biases[:-1]):
        x = torch.relu(x @ w + b)  # ALSO
    return x @ weights[-1] + biases[-1]  # ALSO


lr = 0.05
for it in range(600):
    pick = torch.randint(0, len(x_train), (64,))
    loss = F.cross_entropy(forward(x_train[pick]), y_train[pick])  # ALSO
    loss.backward()
    with torch.no_grad():
        for p in weights + biases:
            p -= lr * p.grad
            p.grad = None
    if it % 100 == 0:
        print(f"iteration {it}: loss {loss.item():.3f}")

with torch.no_grad():
    accuracy = (forward(x_test).argmax(1) == y_test).float().mean().item()
print(f"score: {accuracy:.4f}")
