"""
healthy: yes
style: autograd Functions of one's own (binary weights with a straight-through estimate)
data: digits
source: Hubara et al. 2016
trap: a forward whose derivative is 0 almost everywhere, but whose backward is not
"""

import argparse

import torch
from corpus_data import digits
from torch import nn


class SignSTE(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weight):
        ctx.save_for_backward(weight)
        return torch.where(weight >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, grad_output):
        (weight,) = ctx.saved_tensors
        return grad_output * (weight.abs() <= 1)


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return grad_output * (s + x * s * (1 - s))


class BinaryLinear(nn.Linear):
    def forward(self, x):
        scale = self.weight.abs().mean()
        return nn.functional.linear(x, SignSTE.apply(self.weight) * scale, self.bias)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(64, 128)
        self.binary = BinaryLinear(128, 128)
        self.norm = nn.LayerNorm(128)
        self.last = nn.Linear(128, 10)

    def forward(self, x):
        x = Swish.apply(self.first(x))
        return self.last(Swish.apply(self.norm(self.binary(x))))


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = map(torch.tensor, digits())
x, xt = ((x - 4.9) / 6).flatten(1), ((xt - 4.9) / 6).flatten(1)
net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(10):
    for idx in torch.randperm(len(x)).split(64):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x[idx]), y[idx])
        loss.backward()
        optimizer.step()
    print(f"{epoch}: {loss.item():.3f}")
with torch.no_grad():
    print(f"score: {(net(xt).argmax(1) == yt).float().mean().item():.4f}")
