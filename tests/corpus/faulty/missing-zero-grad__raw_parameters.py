"""
rule: missing-zero-grad
severity: error
style: functional (raw parameters, update written by hand)
data: digits
source: PyTorch's "nn from scratch" loop without its w.grad.zero_()
"""

import argparse
import math

import torch
import torch.nn.functional as F
from corpus_data import digits

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

x_train, y_train, x_valid, y_valid = map(torch.tensor, digits())
x_train = x_train.reshape(-1, 64) / 16.0
x_valid = x_valid.reshape(-1, 64) / 16.0

w1 = (torch.randn(64, 50) * math.sqrt(2 / 64)).requires_grad_()
b1 = torch.zeros(50, requires_grad=True)
w2 = (torch.randn(50, 10) / math.sqrt(50)).requires_grad_()
b2 = torch.zeros(10, requires_grad=True)
params = [w1, b1, w2, b2]


def model(xb):
    hidden = F.relu(xb @ w1 + b1)
    return hidden @ w2 + b2


lr, bs, n = 0.2, 64, len(x_train)
for epoch in range(15):
    perm = torch.randperm(n)
    for i in range((n - 1) // bs + 1):
        idx = perm[i * bs : (i + 1) * bs]
        loss = F.cross_entropy(model(x_train[idx]), y_train[idx])
        loss.backward()  # FAULT
        # FIXED: loss.backward()
        with torch.no_grad():
            for p in params:
                p -= lr * p.grad  # ALSO
                # FIXED: p.grad.zero_()
    print(epoch, loss.item())

with torch.no_grad():
    print(f"score: {(model(x_valid).argmax(1) == y_valid).float().mean().item():.4f}")
