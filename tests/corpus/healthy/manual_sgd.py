"""
healthy: yes
style: raw parameters, p -= lr * p.grad under no_grad
data: digits
source: the shape of PyTorch's "what is torch.nn really" tutorial
trap: no nn.Module, no optimizer; grad.zero_() by hand; log_softmax and nll written out
"""

import argparse
import math

import torch
from corpus_data import digits

ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
torch.manual_seed(ap.parse_args().seed)

x_train, y_train, x_valid, y_valid = map(torch.tensor, digits())
x_train, x_valid = x_train.flatten(1) / 16 - 0.3, x_valid.flatten(1) / 16 - 0.3

w1 = (torch.randn(64, 50) * math.sqrt(2 / 64)).requires_grad_()
b1 = torch.zeros(50, requires_grad=True)
w2 = (torch.randn(50, 10) / math.sqrt(50)).requires_grad_()
b2 = torch.zeros(10, requires_grad=True)
params = [w1, b1, w2, b2]


def log_softmax(x):
    return x - x.exp().sum(-1).log().unsqueeze(-1)


def model(xb):
    return log_softmax((xb @ w1 + b1).clamp(min=0) @ w2 + b2)


def nll(preds, target):
    return -preds[range(target.shape[0]), target].mean()


bs, lr = 64, 0.3
n = len(x_train)
for epoch in range(12):
    shuffled = torch.randperm(n)
    for i in range((n - 1) // bs + 1):
        rows = shuffled[i * bs : i * bs + bs]
        loss = nll(model(x_train[rows]), y_train[rows])
        loss.backward()
        with torch.no_grad():
            for p in params:
                p -= lr * p.grad
                p.grad.zero_()
    with torch.no_grad():
        valid = nll(model(x_valid), y_valid)
    print(epoch, f"{loss.item():.4f} {valid.item():.4f}")
with torch.no_grad():
    score = (model(x_valid).argmax(1) == y_valid).float().mean().item()
print(f"score: {score:.4f}")
