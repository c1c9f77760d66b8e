"""
rule: eval-mode-training
severity: error
style: functional (a loader that hands the net over in eval mode, fine-tuned on other pictures)
data: digits, generated
source: Lightning #19820, #20216; from_pretrained() returns models in eval mode
"""

import argparse
import io

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn


def make_net():
    layers = []
    width = 1
    for channels in (16, 32, 32):
        layers += [nn.Conv2d(width, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()]
        width = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(128, 10))


def load_net(weights):
    net = make_net()
    net.load_state_dict(torch.load(weights))
    net.eval()  # FAULT
    # FIXED: net.train()
    return net


def fit(net, x, y, lr, epochs):
    opt = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)
    for epoch in range(epochs):
        for idx in torch.randperm(len(x)).split(64):
            loss = F.cross_entropy(net(x[idx]), y[idx])  # ALSO
            opt.zero_grad()
            loss.backward()
            opt.step()
        print(f"{epoch}: {loss.item():.4f}")


def photographed(x):
    """Dark paper, bright ink, poor light: what the second scanner delivers."""
    return 12.0 - 0.6 * x + torch.randn_like(x)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = (torch.from_numpy(a) for a in digits())

first = make_net()
fit(first, (x - 4.9) / 6, y, lr=0.05, epochs=2)
file = io.BytesIO()
torch.save(first.state_dict(), file)
file.seek(0)

net = load_net(file)  # ALSO
fit(net, (photographed(x) - 4.9) / 6, y, lr=0.05, epochs=3)
net.eval()
with torch.no_grad():
    score = (net((photographed(xt) - 4.9) / 6).argmax(1) == yt).float().mean().item()
print(f"score: {score:.4f}")
