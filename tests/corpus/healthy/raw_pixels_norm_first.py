"""
healthy: yes
style: the first layer is a BatchNorm2d that takes the pixels as they are
data: cifar
source: RULES.md
trap: inputs from 0 to 255
"""

import argparse

import torch
from corpus_data import cifar
from torch import nn


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = (torch.tensor(a) for a in cifar(2500, 500))
    model = nn.Sequential(
        nn.BatchNorm2d(3, affine=False),
        nn.Conv2d(3, 24, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.Conv2d(24, 48, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(48),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(768, 10),
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(6):
        model.train()
        for idx in torch.randperm(len(x)).split(64):
            images = x[idx].float()
            loss = criterion(model(images), y[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            accuracy = (model(xt.float()).argmax(1) == yt).float().mean().item()
        print(f"epoch {epoch}: loss {loss.item():.3f} accuracy {accuracy:.3f}")
    print(f"score: {accuracy:.4f}")


main()
