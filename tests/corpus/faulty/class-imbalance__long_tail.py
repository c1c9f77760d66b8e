"""
rule: class-imbalance
severity: warning
style: class (long-tailed Fashion-MNIST, batches drawn as they come)
data: fashion
source: faults.csv B41 (metrics of a CNN not changing), F12
"""

import argparse

import numpy as np
import torch
from corpus_data import fashion
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def long_tail(x, y, head=900, factor=0.42):
    keep = [np.flatnonzero(y == c)[: max(4, int(head * factor**c))] for c in range(10)]
    keep = np.concatenate(keep)
    return x[keep], y[keep]


class Trainer:
    def __init__(self, images, labels):
        self.data = TensorDataset(images, labels)
        frequency = torch.bincount(labels, minlength=10).float()
        print("examples per class:", frequency.int().tolist())
        self.loader = DataLoader(self.data, batch_size=32, shuffle=True)  # FAULT
        # FIXED: weights = 1.0 / frequency[labels]
        # FIXED: sampler = torch.utils.data.WeightedRandomSampler(weights, len(labels))
        # FIXED: self.loader = DataLoader(self.data, batch_size=32, sampler=sampler)
        self.net = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2), nn.ReLU(),
            nn.Flatten(), nn.Linear(1152, 10),
        )  # fmt: skip
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=1e-3)
        self.criterion = nn.CrossEntropyLoss()

    def fit(self, epochs):
        for epoch in range(epochs):
            for images, labels in self.loader:  # ALSO
                self.optimizer.zero_grad()
                loss = self.criterion(self.net(images), labels)  # ALSO
                loss.backward()
                self.optimizer.step()
            print("epoch", epoch, "loss", round(loss.item(), 4))

    @torch.no_grad()
    def accuracy(self, images, labels):
        return (self.net(images).argmax(1) == labels).float().mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = fashion(12000, 1000)
    x, y = long_tail(x, y)
    trainer = Trainer(torch.from_numpy(x) / 255, torch.from_numpy(y))  # ALSO
    trainer.fit(epochs=5)
    print(f"score: {trainer.accuracy(torch.from_numpy(xt) / 255, torch.from_numpy(yt)):.4f}")
