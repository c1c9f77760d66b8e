"""
rule: saturated-activation
severity: error
style: class
data: fashion
source: faults.csv B52 (units saturated by large weights)
also: init-scale
"""

import argparse
from itertools import pairwise

import torch
from corpus_data import fashion
from torch import nn


class TanhNet(nn.Module):
    def __init__(self, sizes=(784, 256, 128, 10)):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))  # ALSO
        for layer in self.layers[:-1]:
            layer.weight.data.normal_()  # FAULT
            # FIXED: nn.init.xavier_normal_(layer.weight)

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.layers[:-1]:
            x = torch.tanh(layer(x))  # ALSO
        return self.layers[-1](x)


def main(seed):
    torch.manual_seed(seed)
    x, y, xt, yt = (torch.from_numpy(a) for a in fashion(3000, 1000))
    x, xt = (x / 255 - 0.286) / 0.353, (xt / 255 - 0.286) / 0.353
    model = TanhNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(5):
        for idx in torch.randperm(len(x)).split(50):
            optimizer.zero_grad()
            loss = criterion(model(x[idx]), y[idx])  # ALSO
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: loss {loss.item():.4f}")
    with torch.no_grad():
        return (model(xt).argmax(1) == yt).float().mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    print(f"score: {main(parser.parse_args().seed):.4f}")
