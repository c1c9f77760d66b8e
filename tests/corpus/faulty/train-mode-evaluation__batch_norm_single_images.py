"""
rule: train-mode-evaluation
severity: error
style: class (CNN with batch norm, test images one by one)
data: fashion
source: faults.csv B82 (batch norm not in eval mode at test), wolny/pytorch-3dunet#53
also: norm-small-batch
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset


class Classifier:
    def __init__(self, lr=1e-2):
        self.net = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(32, 10),
        )
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = optim.Adam(self.net.parameters(), lr=lr)

    def fit(self, loader, epochs):
        self.net.train()
        for epoch in range(epochs):
            for x, y in loader:
                self.optimizer.zero_grad()
                loss = self.loss(self.net(x), y)
                loss.backward()
                self.optimizer.step()
            print("epoch", epoch, "loss", round(loss.item(), 4))
        return self

    @torch.no_grad()
    def evaluate(self, dataset):
        # FIXED: self.net.eval()
        hits = 0
        for x, y in dataset:
            logits = self.net(x.unsqueeze(0))  # FAULT
            hits += int(logits.argmax() == y)
        return hits / len(dataset)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    a, b, c, d = (torch.from_numpy(array) for array in fashion(3000, 500))
    train = TensorDataset(a.float() / 255, b)
    test = TensorDataset(c.float() / 255, d)
    model = Classifier().fit(DataLoader(train, batch_size=64, shuffle=True), epochs=4)
    print(f"score: {model.evaluate(test):.4f}")
