"""
rule: exploding-gradient
severity: error
style: Trainer class, deep MLP
data: digits
source: faults.csv B75 (RMSprop, no norms): weights with a gain of 5 where ReLU asks for 1.4
also: init-scale, loss-at-init, lr-too-high, non-finite
"""

import argparse

import torch
from corpus_data import digits
from torch import nn


def orthogonal(module):
    if isinstance(module, nn.Linear):
        nn.init.orthogonal_(module.weight, gain=5)  # FAULT
        # FIXED: nn.init.orthogonal_(module.weight, gain=2**0.5)
        nn.init.zeros_(module.bias)


class Trainer:
    def __init__(self, net, lr=1e-3):
        self.net = net
        self.optimizer = torch.optim.RMSprop(net.parameters(), lr=lr)
        self.criterion = nn.CrossEntropyLoss()

    def train_epoch(self, x, y):
        total = 0.0
        for idx in torch.randperm(len(x)).split(64):
            self.optimizer.zero_grad()
            loss = self.criterion(self.net(x[idx]), y[idx])  # ALSO
            loss.backward()
            self.optimizer.step()
            total += loss.item()
        return total

    def accuracy(self, x, y):
        with torch.no_grad():
            return (self.net(x).argmax(1) == y).float().mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = (torch.from_numpy(a) for a in digits())
    x, xt = x.flatten(1) / 8 - 0.6, xt.flatten(1) / 8 - 0.6
    body = [nn.Linear(64, 100), nn.ReLU()]  # ALSO
    for _ in range(6):
        body += [nn.Linear(100, 100), nn.ReLU()]  # ALSO
    net = nn.Sequential(*body, nn.Linear(100, 10)).apply(orthogonal)  # ALSO
    trainer = Trainer(net)
    for epoch in range(8):
        print(f"epoch {epoch} loss {trainer.train_epoch(x, y):.3f}")
    print("score:", trainer.accuracy(xt, yt))
