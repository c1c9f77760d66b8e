"""
healthy: yes
style: depthwise and pointwise convolutions with nothing in between (Xception)
data: digits
source: Chollet 2017
trap: two convolutions in a row without an activation on purpose
"""

import argparse

import torch
from corpus_data import digits
from torch import nn


class SeparableConv2d(nn.Module):
    def __init__(self, c_in, c_out, kernel_size=3):
        super().__init__()
        self.depthwise = nn.Conv2d(
            c_in, c_in, kernel_size, padding=kernel_size // 2, groups=c_in, bias=False
        )
        self.pointwise = nn.Conv2d(c_in, c_out, 1, bias=False)
        self.bn = nn.BatchNorm2d(c_out)

    def forward(self, x):
        return torch.relu(self.bn(self.pointwise(self.depthwise(x))))


def evaluate(model, x, y):
    model.eval()
    with torch.inference_mode():
        return (model(x).argmax(1) == y).float().mean().item()


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=0)
    torch.manual_seed(ap.parse_args().seed)
    x, y, xt, yt = map(torch.tensor, digits())
    x, xt = (x - 4.9) / 6, (xt - 4.9) / 6
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        SeparableConv2d(16, 32),
        nn.MaxPool2d(2),
        SeparableConv2d(32, 48),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(192, 10),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    for epoch in range(7):
        model.train()
        for idx in torch.randperm(len(x)).split(64):
            loss = nn.functional.cross_entropy(model(x[idx]), y[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: {loss.item():.4f} {evaluate(model, xt, yt):.3f}")
    print(f"score: {evaluate(model, xt, yt):.4f}")


main()
