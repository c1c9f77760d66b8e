"""
healthy: yes
style: class holding a copy of the model
data: digits
source: the usual exponential moving average of weights
trap: a second model in eval mode without gradients, whose weights change outside an optimizer
"""

import argparse
import copy

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class EMA:
    def __init__(self, model, decay=0.98):
        self.module = copy.deepcopy(model).eval()
        self.decay = decay
        for p in self.module.parameters():
            p.requires_grad_(False)

    @torch.no_grad()
    def update(self, model):
        for mine, theirs in zip(self.module.state_dict().values(), model.state_dict().values()):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs, 1 - self.decay)
            else:
                mine.copy_(theirs)


def evaluate(model, loader):
    hits = count = 0
    with torch.no_grad():
        for images, labels in loader:
            hits += (model(images).argmax(1) == labels).sum().item()
            count += len(labels)
    return hits / count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = map(torch.from_numpy, digits())
    train = DataLoader(TensorDataset(x / 6 - 0.8, y), 64, shuffle=True, drop_last=True)
    valid = DataLoader(TensorDataset(xt / 6 - 0.8, yt), 180)

    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(512, 10),
    )
    ema = EMA(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
    for epoch in range(6):
        model.train()
        for images, labels in train:
            loss = nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            ema.update(model)
        model.eval()
        print(epoch, f"{evaluate(model, valid):.3f}", f"ema {evaluate(ema.module, valid):.3f}")
    print(f"score: {evaluate(ema.module, valid):.4f}")


main()
