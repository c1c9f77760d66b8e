"""
rule: weight-decay-too-high
severity: warning
style: class (5e-4 of the paper typed as 5e-1)
data: fashion
source: faults.csv A43 (wrong weight decay against the reference), F10
also: not-learning, collapsed-output
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import fashion
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, stride=2)
        self.conv2 = nn.Conv2d(6, 16, 5, stride=2)
        self.fc1 = nn.Linear(256, 84)
        self.fc2 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


class Experiment:
    def __init__(self, momentum=0.9, lr=0.02):
        self.net = LeNet()
        self.optimizer = torch.optim.SGD(  # ALSO
            self.net.parameters(), lr=lr, momentum=momentum, weight_decay=5e-1  # FAULT
            # FIXED: self.net.parameters(), lr=lr, momentum=momentum, weight_decay=5e-4
        )  # fmt: skip

    def train(self, loader, epochs):
        for epoch in range(epochs):
            for images, labels in loader:
                self.optimizer.zero_grad()
                loss = F.cross_entropy(self.net(images), labels)
                loss.backward()
                self.optimizer.step()
            print(f"epoch {epoch}: {loss.item():.4f}")

    @torch.no_grad()
    def test(self, images, labels):
        return (self.net(images).argmax(1) == labels).float().mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = (torch.from_numpy(a) for a in fashion(3000, 1000))
    experiment = Experiment()
    data = TensorDataset((x / 255 - 0.286) / 0.353, y)
    experiment.train(DataLoader(data, batch_size=50, shuffle=True), epochs=4)
    print(f"score: {experiment.test((xt / 255 - 0.286) / 0.353, yt):.4f}")
