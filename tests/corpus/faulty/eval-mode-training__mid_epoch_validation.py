"""
rule: eval-mode-training
severity: error
style: class (Trainer validating every 10 batches, train() once a run)
data: fashion
source: fartashf/vsepp#4 (validation in mid epoch), Lightning PR#21146
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import fashion
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Trainer:
    def __init__(self, model, train_loader, val_loader, lr=0.1, val_every=20):
        self.model = model
        self.train_loader = train_loader
        self.val_loader = val_loader
        self.val_every = val_every
        self.optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
        self.best = 0.0

    def train(self, epochs):
        self.model.train()
        for epoch in range(epochs):
            for step, (x, y) in enumerate(self.train_loader):
                if step % self.val_every == 0:
                    self.validate()  # ALSO
                    # FIXED: self.model.train()
                loss = F.cross_entropy(self.model(x), y)  # ALSO
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
            print(f"epoch {epoch} best {self.best:.4f}")

    def validate(self):
        self.model.eval()  # FAULT
        hits = 0
        with torch.no_grad():
            for x, y in self.val_loader:
                hits += (self.model(x).argmax(1) == y).sum().item()
        self.accuracy = hits / len(self.val_loader.dataset)
        self.best = max(self.best, self.accuracy)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xv, yv = (torch.from_numpy(a) for a in fashion(3000, 500))
    layers, width = [], 1
    for depth, channels in enumerate((16, 16, 32, 32, 32, 32)):
        stride = 2 - depth % 2
        layers += [
            nn.Conv2d(width, channels, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        ]
        width = channels
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))
    trainer = Trainer(
        network,
        DataLoader(TensorDataset(x / 255, y), batch_size=50, shuffle=True),
        DataLoader(TensorDataset(xv / 255, yv), batch_size=250),
    )
    trainer.train(epochs=3)
    trainer.validate()
    print(f"score: {trainer.accuracy:.4f}")
