"""
rule: loss-reduction
severity: warning
style: functional, hand-written loss
data: digits
source: faults.csv B87
also: lr-too-high, exploding-gradient, dead-relu, not-learning
"""

import argparse

import torch
from corpus_data import digits
from torch import nn


def negative_log_likelihood(logits, labels):
    log_p = torch.log_softmax(logits, dim=-1)
    return -log_p[torch.arange(len(labels)), labels].sum()  # FAULT
    # FIXED: return -log_p[torch.arange(len(labels)), labels].mean()


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(1, 16, 3, padding=1)
        self.c2 = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.head = nn.Linear(32 * 16, 10)

    def forward(self, x):
        return self.head(self.c2(self.c1(x).relu()).relu().flatten(1))


def main(seed, lr=0.05, batch_size=128):
    torch.manual_seed(seed)
    x, y, xt, yt = (torch.from_numpy(a) for a in digits())
    x, xt = x / 8 - 1, xt / 8 - 1
    net = ConvNet()
    opt = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)  # ALSO
    for epoch in range(8):
        for idx in torch.randperm(len(x)).split(batch_size):
            cost = negative_log_likelihood(net(x[idx]), y[idx])  # ALSO
            opt.zero_grad()
            cost.backward()
            opt.step()
        print(f"epoch {epoch} cost {cost.item():.3f}")
    with torch.no_grad():
        return (net(xt).argmax(1) == yt).float().mean().item()


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=0)
    print("score:", main(ap.parse_args().seed))
