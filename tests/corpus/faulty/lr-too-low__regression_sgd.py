"""
rule: lr-too-low
severity: warning
style: class (regression, rate divided by the number of examples once too often)
data: generated
source: faults.csv A34 (lr and epochs too small), A33
also: not-learning
"""

import argparse

import numpy as np
import torch
from torch import nn


class Regressor:
    def __init__(self, inputs, num_examples, lr=0.05, seed=0):
        torch.manual_seed(seed)
        self.net = nn.Sequential(
            nn.Linear(inputs, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 1)
        )
        self.lr = lr / num_examples  # FAULT
        # FIXED: self.lr = lr
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=self.lr, momentum=0.9)  # ALSO
        self.criterion = nn.MSELoss()

    def fit(self, x, y, epochs=30, batch_size=50):
        generator = np.random.default_rng(1)
        for epoch in range(epochs):
            for rows in np.array_split(generator.permutation(len(x)), len(x) // batch_size):
                self.optimizer.zero_grad()
                loss = self.criterion(self.net(x[rows]), y[rows])
                loss.backward()
                self.optimizer.step()
            if epoch % 10 == 0:
                print(f"{epoch:4d} {loss.item():.4f}")
        return self

    @torch.no_grad()
    def mse(self, x, y):
        return self.criterion(self.net(x), y).item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3000, 4)).astype(np.float32)
    y = (np.sin(2 * x[:, 0]) + 0.5 * x[:, 1] * x[:, 2]).astype(np.float32)[:, None]
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    model = Regressor(4, num_examples=len(x), seed=seed).fit(x[:2500], y[:2500])  # ALSO
    print(f"score: {-model.mse(x[2500:], y[2500:]):.4f}")
