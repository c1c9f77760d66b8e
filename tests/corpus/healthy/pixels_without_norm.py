"""
healthy: yes
style: plain script, nothing but division by 255
data: fashion
source: RULES.md
trap: 0..1 pixels that are not centred, in front of a net without norms
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn
from torch.nn import functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

train_x, train_y, test_x, test_y = fashion(2500, 500)
train_x = torch.from_numpy(train_x).float().div_(255)
test_x = torch.from_numpy(test_x).float().div_(255)
train_y, test_y = torch.from_numpy(train_y), torch.from_numpy(test_y)


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(x.size(0), -1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


net = LeNet()
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(6):
    for idx in torch.randperm(len(train_x)).split(50):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(train_x[idx]), train_y[idx])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        accuracy = (net(test_x).argmax(1) == test_y).float().mean().item()
    print(f"epoch {epoch + 1}: {accuracy:.3f}")
print(f"score: {accuracy:.4f}")
