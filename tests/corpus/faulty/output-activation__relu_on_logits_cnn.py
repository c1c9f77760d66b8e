"""
rule: output-activation
severity: error
style: class
data: fashion
source: faults.csv A24
also: dead-relu, collapsed-output, not-learning
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import fashion
from torch import nn, optim


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, stride=2)
        self.conv2 = nn.Conv2d(8, 16, 3, stride=2)
        self.fc1 = nn.Linear(16 * 36, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = x.view(x.shape[0], -1)
        x = F.relu(self.fc1(x))
        return F.relu(self.fc2(x))  # FAULT
        # FIXED: return self.fc2(x)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
torch.manual_seed(args.seed)

x, y, x_test, y_test = (torch.from_numpy(a) for a in fashion(4000, 1000))
x, x_test = x.float().div_(255), x_test.float().div_(255)
net = Net()
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(net.parameters(), lr=0.03, momentum=0.9)

for epoch in range(4):
    running_loss = 0.0
    for i, idx in enumerate(torch.randperm(len(x)).split(50)):
        optimizer.zero_grad()
        loss = criterion(net(x[idx]), y[idx])  # ALSO
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
        if i % 40 == 39:
            print(f"[{epoch + 1}, {i + 1:3d}] loss: {running_loss / 40:.3f}")
            running_loss = 0.0

with torch.no_grad():
    print("score:", (net(x_test).argmax(1) == y_test).float().mean().item())
