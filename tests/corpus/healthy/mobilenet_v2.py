"""
healthy: yes
style: inverted residuals with a linear bottleneck
data: fashion
source: Sandler et al. 2018
trap: a projection without activation followed by the next block's expansion; ReLU6
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def conv_bn(c_in, c_out, kernel, stride=1, groups=1, act=True):
    layers = [
        nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(c_out),
    ]
    return nn.Sequential(*layers, nn.ReLU6(inplace=True)) if act else nn.Sequential(*layers)


class InvertedResidual(nn.Module):
    def __init__(self, inp, oup, stride, expand_ratio):
        super().__init__()
        hidden = inp * expand_ratio
        self.use_res_connect = stride == 1 and inp == oup
        self.conv = nn.Sequential(
            conv_bn(inp, hidden, 1),
            conv_bn(hidden, hidden, 3, stride, groups=hidden),
            conv_bn(hidden, oup, 1, act=False),
        )

    def forward(self, x):
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.features = nn.Sequential(
            conv_bn(1, 16, 3, 2),
            InvertedResidual(16, 16, 1, 2),
            InvertedResidual(16, 24, 2, 3),
            InvertedResidual(24, 24, 1, 3),
            conv_bn(24, 64, 1),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.1), nn.Linear(64, num_classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean([2, 3]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = fashion(2500, 500)
    x, xt = torch.tensor(x).float() / 127.5 - 1, torch.tensor(xt).float() / 127.5 - 1
    y, yt = torch.tensor(y), torch.tensor(yt)
    loader = DataLoader(TensorDataset(x, y), batch_size=50, shuffle=True)
    model = MobileNetV2()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-3, alpha=0.9)
    for epoch in range(4):
        model.train()
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(xb), yb)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            acc = (model(xt).argmax(1) == yt).float().mean().item()
        print(f"epoch {epoch}: loss {loss.item():.3f} acc {acc:.3f}")
    print(f"score: {acc:.4f}")
