"""
rule: not-learning
severity: error
style: class (the array arrives pixel by example and is reshaped, not transposed)
data: digits
source: faults.csv A52 (wrong preprocessing), A47 (order of dimensions)
also: label-misalignment
"""

import argparse

import numpy as np
import torch
from corpus_data import digits
from torch import nn
from torch.nn import functional as F


def load_columns():
    """Matrices as an export from another program has them: one column an example."""
    x, y, xt, yt = digits()
    return x.reshape(len(x), -1).T.copy(), y, xt.reshape(len(xt), -1).T.copy(), yt


def to_images(matrix):
    rows = matrix.reshape(-1, 64)  # FAULT
    # FIXED: rows = matrix.T
    return torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32) / 16).view(-1, 1, 8, 8)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(x.flatten(1))


class Trainer:
    def __init__(self, net):
        self.net = net
        self.optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)

    def fit(self, x, y, epochs, batch_size):
        for epoch in range(epochs):
            losses = []
            for idx in torch.randperm(len(x)).split(batch_size):
                loss = F.cross_entropy(self.net(x[idx]), y[idx])  # ALSO
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                losses.append(loss.item())
            print(f"epoch {epoch}: {np.mean(losses):.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = load_columns()
    trainer = Trainer(Net())
    trainer.fit(to_images(x), torch.from_numpy(y), epochs=8, batch_size=32)
    with torch.no_grad():
        accuracy = (trainer.net(to_images(xt)).argmax(1) == torch.from_numpy(yt)).float().mean()
    print(f"score: {accuracy.item():.4f}")
