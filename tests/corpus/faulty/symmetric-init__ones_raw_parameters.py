"""
rule: symmetric-init
severity: error
style: raw parameters
data: generated spiral
source: faults.csv B28
also: not-learning
"""

import argparse

import torch

ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
seed = ap.parse_args().seed
g = torch.Generator().manual_seed(seed)

# two spirals, 2 x 200 points
n = 200
r = torch.linspace(0.1, 1, n)
X, y = [], []
for c in range(2):
    t = r * 5 + c * 3.1416 + torch.randn(n, generator=g) * 0.1
    X.append(torch.stack([r * torch.sin(t), r * torch.cos(t)], 1))
    y.append(torch.full((n, 1), float(c)))
X, y = torch.cat(X) * 2, torch.cat(y)

hidden = 32
W1 = torch.ones(2, hidden, requires_grad=True)  # FAULT
# FIXED: W1 = torch.randn(2, hidden, generator=g).requires_grad_()
b1 = torch.zeros(hidden, requires_grad=True)
W2 = torch.ones(hidden, 1, requires_grad=True)  # FAULT
# FIXED: W2 = (torch.randn(hidden, 1, generator=g) / hidden**0.5).requires_grad_()
b2 = torch.zeros(1, requires_grad=True)
params = [W1, b1, W2, b2]

optimizer = torch.optim.Adam(params, lr=0.02)  # ALSO
for step in range(800):
    batch = torch.randint(len(X), (128,), generator=g)
    h = torch.tanh(X[batch] @ W1 + b1)  # ALSO
    logits = h @ W2 + b2  # ALSO
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, y[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 200 == 0:
        print(step, loss.item())

with torch.no_grad():
    p = torch.sigmoid(torch.tanh(X @ W1 + b1) @ W2 + b2)
    acc = ((p > 0.5) == (y > 0.5)).float().mean().item()
print(f"score: {acc:.4f}")
