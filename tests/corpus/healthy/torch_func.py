"""
healthy: yes
style: torch.func: grad_and_value over functional_call, update as a pure function
data: digits
source: PyTorch's documentation of torch.func
trap: no backward() and no .grad at all
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.func import functional_call, grad_and_value

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

x, y, xt, yt = map(torch.tensor, digits())
x, xt = (x.flatten(1) - 4.9) / 6, (xt.flatten(1) - 4.9) / 6
net = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10))
params = {name: p.detach().clone() for name, p in net.named_parameters()}
velocity = {name: torch.zeros_like(p) for name, p in params.items()}


def compute_loss(params, inputs, targets):
    return nn.functional.cross_entropy(functional_call(net, params, (inputs,)), targets)


def update(params, velocity, grads, lr=0.1, beta=0.9):
    velocity = {k: beta * velocity[k] + grads[k] for k in params}
    return {k: params[k] - lr * velocity[k] for k in params}, velocity


step = grad_and_value(compute_loss)
for epoch in range(8):
    for idx in torch.randperm(len(x)).split(64):
        grads, loss = step(params, x[idx], y[idx])
        params, velocity = update(params, velocity, grads)
    print(epoch, f"{loss.item():.4f}")
with torch.no_grad():
    accuracy = (functional_call(net, params, (xt,)).argmax(1) == yt).float().mean().item()
print(f"score: {accuracy:.4f}")
