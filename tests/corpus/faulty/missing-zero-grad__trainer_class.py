"""
rule: missing-zero-grad
severity: error
style: class (Trainer with train_step and evaluate)
data: digits
source: pytorch/pytorch#47175
"""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn


class Trainer:
    def __init__(self, model, lr=0.1, batch_size=50):
        self.model = model
        self.batch_size = batch_size
        self.optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        self.history = []

    def train_step(self, x, y):
        self.model.train()
        logits = self.model(x)
        loss = F.cross_entropy(logits, y)
        # FIXED: self.optimizer.zero_grad()
        loss.backward()  # FAULT
        # FIXED: loss.backward()
        self.optimizer.step()  # ALSO
        return loss.item()

    def fit(self, x, y, epochs):
        for epoch in range(epochs):
            order = np.random.permutation(len(x))
            losses = []
            for start in range(0, len(x), self.batch_size):
                index = order[start : start + self.batch_size]
                losses.append(self.train_step(x[index], y[index]))
            self.history.append(np.mean(losses))
            print(epoch, self.history[-1])

    @torch.no_grad()
    def evaluate(self, x, y):
        self.model.eval()
        return (self.model(x).argmax(1) == y).float().mean().item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    torch.manual_seed(seed)
    np.random.seed(seed)

    x_train, y_train, x_test, y_test = (torch.as_tensor(a) for a in digits())
    x_train, x_test = x_train.flatten(1) / 16 - 0.3, x_test.flatten(1) / 16 - 0.3
    model = nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
    )
    trainer = Trainer(model)
    trainer.fit(x_train, y_train, epochs=15)
    print(f"score: {trainer.evaluate(x_test, y_test):.4f}")


if __name__ == "__main__":
    main()
