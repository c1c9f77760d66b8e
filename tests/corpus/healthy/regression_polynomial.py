"""
healthy: yes
style: weights updated by hand through .data, batches made on the fly
data: generated
source: the shape of PyTorch's regression example
trap: no optimizer at all; a single linear layer; a loop that stops when the loss is small
"""

import argparse
from itertools import count

import torch
import torch.nn.functional as F

POLY_DEGREE = 3


def make_features(x):
    x = x.unsqueeze(1)
    return torch.cat([x**i for i in range(1, POLY_DEGREE + 1)], 1)


def get_batch(weight, bias, batch_size=32):
    random = torch.rand(batch_size) * 3 - 1.5
    x = make_features(random)
    return x, x.mm(weight) + bias.item()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
W_target = torch.randn(POLY_DEGREE, 1) * 2
b_target = torch.randn(1) * 2
fc = torch.nn.Linear(W_target.size(0), 1)
for batch_idx in count(1):
    batch_x, batch_y = get_batch(W_target, b_target)
    fc.zero_grad()
    output = F.smooth_l1_loss(fc(batch_x), batch_y)
    loss = output.item()
    output.backward()
    for param in fc.parameters():
        param.data.add_(-0.1 * param.grad)
    if loss < 1e-3 or batch_idx == 3000:
        break
print(f"Loss: {loss:.6f} after {batch_idx} batches")
print(f"score: {-loss:.4f}")
