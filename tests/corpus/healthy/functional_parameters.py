"""
healthy: yes
style: nn.Parameters in a dict, F.conv2d and F.linear, torch.optim over a list
data: digits
source: RULES.md
trap: no module anywhere, so nothing to hook
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits


def init(seed):
    g = torch.Generator().manual_seed(seed)

    def he(*shape, fan):
        return torch.nn.Parameter(torch.randn(*shape, generator=g) * (2.0 / fan) ** 0.5)

    return {
        "conv1.w": he(16, 1, 3, 3, fan=9),
        "conv1.b": torch.nn.Parameter(torch.zeros(16)),
        "conv2.w": he(32, 16, 3, 3, fan=144),
        "conv2.b": torch.nn.Parameter(torch.zeros(32)),
        "fc.w": torch.nn.Parameter(torch.zeros(10, 128)),
        "fc.b": torch.nn.Parameter(torch.zeros(10)),
    }


def apply(p, x):
    x = F.max_pool2d(F.relu(F.conv2d(x, p["conv1.w"], p["conv1.b"], padding=1)), 2)
    x = F.max_pool2d(F.relu(F.conv2d(x, p["conv2.w"], p["conv2.b"], padding=1)), 2)
    return F.linear(x.flatten(1), p["fc.w"], p["fc.b"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    torch.manual_seed(seed)
    params = init(seed)
    x, y, xt, yt = (torch.from_numpy(a) for a in digits())
    x, xt = x / 16, xt / 16
    opt = torch.optim.Adam(list(params.values()), lr=5e-3)
    for _ in range(6):
        for idx in torch.randperm(len(x)).split(64):
            opt.zero_grad()
            loss = F.cross_entropy(apply(params, x[idx]), y[idx])
            loss.backward()
            opt.step()
        print(f"{loss.item():.4f}")
    with torch.no_grad():
        print(f"score: {(apply(params, xt).argmax(1) == yt).float().mean().item():.4f}")


main()
