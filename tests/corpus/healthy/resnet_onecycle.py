"""
healthy: yes
style: functional blocks, OneCycleLR stepped every batch
data: fashion
source: the shape of code of the fast CIFAR trainers
trap: a schedule stepped per batch; an lr that starts and ends near 0; momentum that changes
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import fashion
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def conv_bn(c_in, c_out, pool=False):
    layers = [nn.Conv2d(c_in, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU()]
    if pool:
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


class Residual(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return x + self.module(x)


def build_model():
    return nn.Sequential(
        conv_bn(1, 16, pool=True),
        conv_bn(16, 32, pool=True),
        Residual(nn.Sequential(conv_bn(32, 32), conv_bn(32, 32))),
        conv_bn(32, 64, pool=True),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


def evaluate(model, loader):
    model.eval()
    hits = 0
    with torch.no_grad():
        for xb, yb in loader:
            hits += (model(xb).argmax(1) == yb).sum().item()
    return hits / len(loader.dataset)


def main(seed):
    torch.manual_seed(seed)
    x, y, xt, yt = fashion(3000, 600)
    norm = lambda a: (torch.from_numpy(a).float() / 255 - 0.2860) / 0.3530  # noqa: E731
    train_dl = DataLoader(
        TensorDataset(norm(x), torch.from_numpy(y)), batch_size=100, shuffle=True, drop_last=True
    )
    valid_dl = DataLoader(TensorDataset(norm(xt), torch.from_numpy(yt)), batch_size=200)

    model = build_model()
    epochs = 4
    opt = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    sched = torch.optim.lr_scheduler.OneCycleLR(
        opt, max_lr=0.2, epochs=epochs, steps_per_epoch=len(train_dl)
    )
    for epoch in range(epochs):
        model.train()
        running = 0.0
        for xb, yb in train_dl:
            opt.zero_grad()
            loss = F.cross_entropy(model(xb), yb)
            loss.backward()
            opt.step()
            sched.step()
            running += loss.item()
        acc = evaluate(model, valid_dl)
        print(f"{epoch}: train loss {running / len(train_dl):.3f} val acc {acc:.3f}")
    print(f"score: {acc:.4f}")


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=0)
    main(p.parse_args().seed)
