"""
healthy: yes
style: Trainer class, soft targets
data: fashion
source: Yun et al. 2019
trap: targets that are probabilities of all classes; half of each image replaced
"""

import argparse

import numpy as np
import torch
from corpus_data import fashion
from torch import nn
from torch.nn import functional as F


def rand_bbox(size, lam, rng):
    cut = int(size * np.sqrt(1.0 - lam))
    cy, cx = rng.integers(size), rng.integers(size)
    y1, y2 = np.clip([cy - cut // 2, cy + cut // 2], 0, size)
    x1, x2 = np.clip([cx - cut // 2, cx + cut // 2], 0, size)
    return y1, y2, x1, x2


class Trainer:
    def __init__(self, seed):
        torch.manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        x, y, xt, yt = fashion(2000, 500)
        self.x, self.y = torch.tensor(x) / 255 * 2 - 1, torch.tensor(y)
        self.xt, self.yt = torch.tensor(xt) / 255 * 2 - 1, torch.tensor(yt)
        self.model = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 49, 10),
        )
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.05, momentum=0.9)

    def cutmix(self, images, targets):
        lam = self.rng.beta(1.0, 1.0)
        perm = torch.randperm(len(images))
        y1, y2, x1, x2 = rand_bbox(28, lam, self.rng)
        images = images.clone()
        images[:, :, y1:y2, x1:x2] = images[perm, :, y1:y2, x1:x2]
        lam = 1 - (y2 - y1) * (x2 - x1) / 28**2
        return images, lam * targets + (1 - lam) * targets[perm]

    def train_epoch(self):
        self.model.train()
        for idx in torch.randperm(len(self.x)).split(64):
            images, targets = self.x[idx], F.one_hot(self.y[idx], 10).float()
            if self.rng.random() < 0.5:
                images, targets = self.cutmix(images, targets)
            loss = F.cross_entropy(self.model(images), targets)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return loss.item()

    def evaluate(self):
        self.model.eval()
        with torch.no_grad():
            return (self.model(self.xt).argmax(1) == self.yt).float().mean().item()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
trainer = Trainer(parser.parse_args().seed)
for epoch in range(5):
    print(f"{epoch}: loss {trainer.train_epoch():.3f} acc {trainer.evaluate():.3f}")
print(f"score: {trainer.evaluate():.4f}")
