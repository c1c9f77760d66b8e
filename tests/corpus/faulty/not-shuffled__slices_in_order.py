"""
rule: not-shuffled
severity: error
style: class (hand-cut batches of arrays joined class by class, batch norm)
data: fashion
source: faults.csv A49 (classes concatenated in order)
"""

import argparse

import numpy as np
import torch
from corpus_data import fashion
from torch import nn, optim


class FashionTrainer:
    def __init__(self, batch_size=50):
        self.batch_size = batch_size
        self.net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(784, 100),
            nn.BatchNorm1d(100),
            nn.ReLU(),
            nn.Linear(100, 10),
        )
        self.optimizer = optim.Adam(self.net.parameters(), lr=1e-3)
        self.loss = nn.CrossEntropyLoss()

    def batches(self, x, y):
        # FIXED: p = torch.randperm(len(x))
        # FIXED: x, y = x[p], y[p]
        for start in range(0, len(x), self.batch_size):
            yield x[start : start + self.batch_size], y[start : start + self.batch_size]  # FAULT

    def fit(self, x, y, epochs):
        for epoch in range(epochs):
            self.net.train()
            for xb, yb in self.batches(x, y):  # ALSO
                self.optimizer.zero_grad()
                loss = self.loss(self.net(xb), yb)  # ALSO
                loss.backward()
                self.optimizer.step()
            print(f"epoch {epoch}: {loss.item():.4f}")

    def score(self, x, y):
        self.net.eval()
        with torch.no_grad():
            return (self.net(x).argmax(1) == y).float().mean().item()


def load():
    x, y, xt, yt = fashion(3000, 1000)
    groups = [x[y == label] for label in range(10)]
    x = np.concatenate(groups)  # ALSO
    y = np.concatenate([np.full(len(group), label) for label, group in enumerate(groups)])
    arrays = (x.astype(np.float32) / 255, y, xt.astype(np.float32) / 255, yt)
    return [torch.from_numpy(array) for array in arrays]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = load()
    trainer = FashionTrainer()
    trainer.fit(x, y, epochs=5)
    print(f"score: {trainer.score(xt, yt):.4f}")
