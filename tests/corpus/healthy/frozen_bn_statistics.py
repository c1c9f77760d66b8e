"""
healthy: yes
style: a subclass whose train() keeps the norms in eval (fine-tuning with fixed statistics)
data: digits, then digits moved by a pixel
source: the usual detector recipe
trap: batch norms in eval during all of the training, on purpose
"""

import argparse

import torch
from corpus_data import digits
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
        )
        self.head = nn.Linear(512, 10)
        self.freeze_norms = False

    def train(self, mode=True):
        super().train(mode)
        if self.freeze_norms:
            for m in self.modules():
                if isinstance(m, nn.BatchNorm2d):
                    m.eval()
                    m.weight.requires_grad_(False)
                    m.bias.requires_grad_(False)
        return self

    def forward(self, x):
        return self.head(self.body(x).flatten(1))


def epoch_of(model, optimizer, x, y):
    model.train()
    for idx in torch.randperm(len(x)).split(48):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[idx]), y[idx])
        loss.backward()
        optimizer.step()
    return loss.item()


def accuracy(model, x, y):
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = map(torch.tensor, digits())
x, xt = (x - 4.9) / 6, (xt - 4.9) / 6
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
for _ in range(4):
    print(f"pretraining {epoch_of(net, optimizer, x, y):.4f}")
thin, thin_test = torch.roll(x, 1, 3), torch.roll(xt, 1, 3)
print(f"moved digits before: {accuracy(net, thin_test, yt):.3f}")
net.freeze_norms = True
net.train()
trainable = [p for p in net.parameters() if p.requires_grad]
optimizer = torch.optim.SGD(trainable, lr=0.01, momentum=0.9)
for _ in range(4):
    print(f"fine-tuning {epoch_of(net, optimizer, thin, y):.4f}")
print(f"score: {accuracy(net, thin_test, yt):.4f}")
