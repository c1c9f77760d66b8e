"""
rule: lr-too-high
severity: error
style: class (MLP, hand-cut batches, Adam with a rate made for plain descent)
data: fashion
source: faults.csv B63 (MNIST descent stuck), B55
also: dead-relu, collapsed-output, exploding-gradient
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import fashion
from torch import nn


class Classifier(nn.Module):
    def __init__(self, hidden=100):
        super().__init__()
        self.fc1 = nn.Linear(784, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.fc3 = nn.Linear(hidden, 10)

    def forward(self, x):
        x = x.reshape(len(x), -1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class Training:
    def __init__(self, config):
        self.config = config
        self.model = Classifier(config["hidden"])
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=config["lr"])  # ALSO

    def run(self, x, y):
        size = self.config["batch_size"]
        for epoch in range(self.config["epochs"]):
            order = torch.randperm(len(x))
            total = 0.0
            for i in range(len(x) // size):
                batch = order[i * size : (i + 1) * size]
                loss = F.cross_entropy(self.model(x[batch]), y[batch])
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                total += loss.item()
            print(f"epoch {epoch} mean loss {total / (len(x) // size):.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = (torch.from_numpy(a) for a in fashion(3000, 1000))
    x, xt = (x / 255 - 0.286) / 0.353, (xt / 255 - 0.286) / 0.353
    config = {"lr": 0.5, "batch_size": 64, "hidden": 100, "epochs": 4}  # FAULT
    # FIXED: config = {"lr": 0.001, "batch_size": 64, "hidden": 100, "epochs": 4}
    training = Training(config)
    training.run(x, y)
    with torch.no_grad():
        accuracy = (training.model(xt).argmax(1) == yt).float().mean().item()
    print(f"score: {accuracy:.4f}")
