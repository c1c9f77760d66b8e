"""
rule: input-scale
severity: error
style: Dataset class, accumulation
data: cifar
source: faults.csv B76
also: loss-at-init, lr-too-high, exploding-gradient
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import cifar
from torch import nn
from torch.utils.data import DataLoader, Dataset


class CifarSubset(Dataset):
    def __init__(self, images, labels):
        self.images = images
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        image = torch.from_numpy(self.images[index].copy()).float()  # FAULT
        # FIXED: image = torch.from_numpy(self.images[index].copy()).float() / 127.5 - 1
        return image, int(self.labels[index])


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # ALSO
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc3(F.relu(self.fc2(x)))


def accuracy(net, loader):
    net.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in loader:
            right += (net(images).argmax(1) == labels).sum().item()
            total += len(labels)
    return right / total


def main(seed, accumulate=2):
    torch.manual_seed(seed)
    x_train, y_train, x_test, y_test = cifar(4000, 1000)
    train = DataLoader(CifarSubset(x_train, y_train), batch_size=32, shuffle=True)
    test = DataLoader(CifarSubset(x_test, y_test), batch_size=200)
    net = LeNet()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    for epoch in range(5):
        net.train()
        for i, (images, labels) in enumerate(train):
            loss = F.cross_entropy(net(images), labels) / accumulate  # ALSO
            loss.backward()
            if (i + 1) % accumulate == 0:
                optimizer.step()
                optimizer.zero_grad()
        print(f"[{epoch + 1}] loss: {loss.item() * accumulate:.3f}")
    print(f"score: {accuracy(net, test):.4f}")


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=0)
    main(ap.parse_args().seed)
