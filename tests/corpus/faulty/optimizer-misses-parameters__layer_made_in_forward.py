"""
rule: optimizer-misses-parameters
severity: error
style: plain loop (CNN whose linear layer is built at the first forward)
data: digits
source: RULES.md ("optimiser built before layers"); the size of the flattened map not worked out
also: not-learning
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from corpus_data import digits
from torch.utils.data import DataLoader, TensorDataset


class ConvNet(nn.Module):
    def __init__(self, channels=8, classes=10):
        super().__init__()
        self.conv = nn.Conv2d(1, channels, 3)
        self.classes = classes
        self.fc = None

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv(x)), 2).flatten(1)
        if self.fc is None:
            self.fc = nn.Linear(x.shape[1], self.classes)  # ALSO
        return self.fc(x)  # ALSO


def evaluate(net, loader):
    net.eval()
    right = 0
    with torch.no_grad():
        for images, labels in loader:
            right += (net(images).argmax(1) == labels).sum().item()
    return right / len(loader.dataset)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

images, labels, test_images, test_labels = (torch.from_numpy(a) for a in digits())
train = DataLoader(TensorDataset(images / 16, labels), batch_size=32, shuffle=True)
test = DataLoader(TensorDataset(test_images / 16, test_labels), batch_size=128)

net = ConvNet()
# FIXED: net(images[:2])
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)  # FAULT
for epoch in range(6):
    net.train()
    for batch, target in train:
        optimizer.zero_grad()
        loss = F.nll_loss(F.log_softmax(net(batch), dim=1), target)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1} | loss {loss.item():.4f} | accuracy {evaluate(net, test):.4f}")
print(f"score: {evaluate(net, test):.4f}")
