"""
rule: vanishing-gradient
severity: error
style: class, VGG-like
data: fashion
source: faults.csv B71 (sigmoid convolutions as in A37, many of them)
also: not-learning, collapsed-output, init-scale, lr-too-low
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn


def conv_block(inside, outside, stride=1):
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, stride, 1),  # ALSO
        nn.Sigmoid(),  # FAULT
        # FIXED: nn.ReLU(),
    )


class DeepNet(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.stem = conv_block(1, width, 2)
        self.stages = nn.ModuleList()
        for stride in (1, 2, 1, 1, 1):
            self.stages.append(conv_block(width, width, stride))
        self.classifier = nn.Linear(width * 49, 10)

    def forward(self, x):
        x = self.stem(x)  # ALSO
        for stage in self.stages:
            x = stage(x)  # ALSO
        return self.classifier(x.flatten(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = (torch.from_numpy(a) for a in fashion(2500, 1000))
    x, xt = (x / 255 - 0.286) / 0.353, (xt / 255 - 0.286) / 0.353
    model = DeepNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(3):
        for idx in torch.randperm(len(x)).split(50):
            loss = criterion(model(x[idx]), y[idx])  # ALSO
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.4f}")
    with torch.no_grad():
        print("score:", (model(xt).argmax(1) == yt).float().mean().item())


main()
