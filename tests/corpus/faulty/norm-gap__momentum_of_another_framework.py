"""
rule: norm-gap
severity: warning
style: class (MLP, momentum=0.999 as Keras counts it)
data: fashion
source: faults.csv B81, B83 (huge gap between training and inference)
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn
from torch.nn import functional as F

MOMENTUM = 0.999  # FAULT
# FIXED: MOMENTUM = 0.05


class Layer(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias=False)
        self.norm = nn.BatchNorm1d(outputs, momentum=MOMENTUM)  # ALSO

    def forward(self, x):
        return F.relu(self.norm(self.linear(x)))  # ALSO


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(Layer(784, 64), Layer(64, 64), Layer(64, 64))
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        return self.fc(self.layers(x.flatten(1)))


def train(net, x, y, epochs, batch_size=8):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    for epoch in range(epochs):
        net.train()
        for idx in torch.randperm(len(x)).split(batch_size):
            loss = F.cross_entropy(net(x[idx]), y[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    a, b, c, d = (torch.from_numpy(array) for array in fashion(2000, 1000))
    net = MLP()
    train(net, a / 255, b, epochs=2)
    net.eval()
    with torch.no_grad():
        accuracy = (net(c / 255).argmax(1) == d).float().mean().item()
    print(f"score: {accuracy:.4f}")
