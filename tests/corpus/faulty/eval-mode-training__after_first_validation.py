"""
rule: eval-mode-training
severity: error
style: plain loop (CNN with batch norm, checked before training starts)
data: cifar
source: HuiZeng/Grid-Anchor-based-Image-Cropping-Pytorch#2, Lightning #19820
"""

import argparse

import torch
from corpus_data import cifar
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=4)
args = parser.parse_args()
torch.manual_seed(args.seed)


def block(cin, cout, stride=1):
    conv = nn.Conv2d(cin, cout, 3, stride=stride, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(cout), nn.ReLU()]


def accuracy(net, loader):
    net.eval()  # FAULT
    # FIXED: net.eval()
    right = 0
    with torch.no_grad():
        for x, y in loader:
            right += (net(x).argmax(1) == y).sum().item()
    # FIXED: net.train()
    return right / len(loader.dataset)


x, y, xt, yt = (torch.from_numpy(a.copy()) for a in cifar(3000, 1000))
mean = torch.tensor([125.3, 123.0, 113.9]).view(3, 1, 1)
std = torch.tensor([63.0, 62.1, 66.7]).view(3, 1, 1)
trainloader = DataLoader(TensorDataset((x - mean) / std, y), batch_size=50, shuffle=True)
testloader = DataLoader(TensorDataset((xt - mean) / std, yt), batch_size=250)

net = nn.Sequential(
    *block(3, 16, stride=2),
    *block(16, 16),
    *block(16, 32, stride=2),
    *block(32, 32),
    *block(32, 64, stride=2),
    *block(64, 64),
    *block(64, 64, stride=2),
    nn.Flatten(),
    nn.Linear(256, 10),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

print(f"untrained: {accuracy(net, testloader):.3f}")
for epoch in range(args.epochs):
    for inputs, targets in trainloader:
        optimizer.zero_grad()
        loss = criterion(net(inputs), targets)  # ALSO
        loss.backward()
        optimizer.step()
    test_accuracy = accuracy(net, testloader)
    print(f"epoch {epoch} loss {loss.item():.3f} test {test_accuracy:.3f}")
print(f"score: {test_accuracy:.4f}")
