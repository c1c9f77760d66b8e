"""
healthy: yes
style: two phases; the backbone is frozen and left in eval mode
data: digits (0-4 first, then 5-9)
source: the usual transfer-learning recipe
trap: parameters without gradient on purpose; norms in eval while the head trains
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        )
        self.fc = nn.Linear(128, 5)

    def forward(self, x):
        return self.fc(self.features(x))


def accuracy(model, x, y):
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


def select(x, y, low, high):
    keep = (y >= low) & (y < high)
    return x[keep], y[keep] - low


def main(seed):
    torch.manual_seed(seed)
    x, y, xt, yt = map(torch.tensor, digits())
    x, xt = (x - 4.88) / 6.02, (xt - 4.88) / 6.02
    criterion = nn.CrossEntropyLoss()

    model = Backbone()
    source = TensorDataset(*select(x, y, 0, 5))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(4):
        model.train()
        for images, labels in DataLoader(source, batch_size=32, shuffle=True):
            optimizer.zero_grad()
            criterion(model(images), labels).backward()
            optimizer.step()
    print(f"pretrained: {accuracy(model, *select(xt, yt, 0, 5)):.3f}")

    for param in model.parameters():
        param.requires_grad = False
    model.fc = nn.Linear(128, 5)
    target = TensorDataset(*select(x, y, 5, 10))
    optimizer = torch.optim.SGD(model.fc.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(8):
        model.train()
        model.features.eval()
        for images, labels in DataLoader(target, batch_size=32, shuffle=True):
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.3f}")
    return accuracy(model, *select(xt, yt, 5, 10))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    print(f"score: {main(parser.parse_args().seed):.4f}")
