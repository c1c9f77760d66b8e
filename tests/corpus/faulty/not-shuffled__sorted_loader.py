"""
rule: not-shuffled
severity: error
style: plain loop
data: digits
source: faults.csv B89 and A49 kin (pictures read folder by folder, shuffle left at its default)
"""

import argparse

import numpy as np
import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, Dataset


class FolderLikeDataset(Dataset):
    """Pictures in the order the class folders are listed."""

    def __init__(self, images, labels):
        order = np.argsort(labels, kind="stable")
        self.images, self.labels = images[order], labels[order]

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return torch.from_numpy(self.images[i] / 16), int(self.labels[i])


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

train_images, train_labels, test_images, test_labels = digits()
train_loader = DataLoader(FolderLikeDataset(train_images, train_labels), batch_size=32)  # FAULT
# FIXED: train_set = FolderLikeDataset(train_images, train_labels)
# FIXED: train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
test_loader = DataLoader(FolderLikeDataset(test_images, test_labels), batch_size=32)

net = nn.Sequential(
    nn.Conv2d(1, 16, 3),
    nn.ReLU(),
    nn.Conv2d(16, 16, 3),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(256, 10),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
for epoch in range(6):
    for inputs, labels in train_loader:  # ALSO
        optimizer.zero_grad()
        loss = criterion(net(inputs), labels)
        loss.backward()
        optimizer.step()
    correct = 0
    with torch.no_grad():
        for inputs, labels in test_loader:
            correct += (net(inputs).argmax(1) == labels).sum().item()
    print(f"epoch {epoch}: loss {loss.item():.4f} accuracy {correct / len(test_labels):.4f}")
print(f"score: {correct / len(test_labels):.4f}")
