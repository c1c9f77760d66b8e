"""
healthy: yes
style: plain loop, mixed images and two losses
data: digits
source: Zhang et al. 2018
trap: the loss stays far above 0; training accuracy lies under validation accuracy
"""

import argparse

import numpy as np
import torch
import torch.nn as nn
from corpus_data import digits
from torch.utils.data import DataLoader, TensorDataset


def mixup_data(x, y, alpha):
    lam = np.random.beta(alpha, alpha)
    index = torch.randperm(x.size(0))
    return lam * x + (1 - lam) * x[index], y, y[index], lam


def mixup_criterion(criterion, pred, y_a, y_b, lam):
    return lam * criterion(pred, y_a) + (1 - lam) * criterion(pred, y_b)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
torch.manual_seed(args.seed)
np.random.seed(args.seed)

x_train, y_train, x_test, y_test = map(torch.from_numpy, digits())
x_train, x_test = x_train / 8 - 0.6, x_test / 8 - 0.6
trainloader = DataLoader(TensorDataset(x_train, y_train), batch_size=64, shuffle=True)

net = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1),
    nn.ReLU(),
    nn.Conv2d(16, 32, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(512, 10),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
for _epoch in range(8):
    net.train()
    train_loss, correct, total = 0.0, 0.0, 0
    for inputs, targets in trainloader:
        inputs, targets_a, targets_b, lam = mixup_data(inputs, targets, 1.0)
        outputs = net(inputs)
        loss = mixup_criterion(criterion, outputs, targets_a, targets_b, lam)
        train_loss += loss.item()
        predicted = outputs.argmax(1)
        total += targets.size(0)
        correct += lam * (predicted == targets_a).sum().item()
        correct += (1 - lam) * (predicted == targets_b).sum().item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"Loss: {train_loss / len(trainloader):.3f} | Acc: {100 * correct / total:.1f}%")
net.eval()
with torch.no_grad():
    acc = (net(x_test).argmax(1) == y_test).float().mean().item()
print(f"score: {acc:.4f}")
