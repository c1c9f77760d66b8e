"""
rule: symmetric-init
severity: error
style: class
data: fashion
source: faults.csv B44
also: not-learning, init-scale, vanishing-gradient
"""

import sys

import torch
import torch.nn.functional as F
from corpus_data import fashion
from torch import nn

seed = int(sys.argv[sys.argv.index("--seed") + 1]) if "--seed" in sys.argv else 0
torch.manual_seed(seed)


class FashionNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 5, stride=2)  # ALSO
        self.conv2 = nn.Conv2d(16, 32, 3)  # ALSO
        self.fc1 = nn.Linear(32 * 5 * 5, 64)
        self.fc2 = nn.Linear(64, 10)
        for layer in (self.conv1, self.conv2):
            nn.init.constant_(layer.weight, 0.05)  # FAULT
            # FIXED: nn.init.kaiming_normal_(layer.weight)
            nn.init.constant_(layer.bias, 0.1)

    def forward(self, x):
        x = F.relu(self.conv1(x))  # ALSO
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # ALSO
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc2(x)


train_x, train_y, test_x, test_y = fashion(3000, 1000)
train_x = (torch.from_numpy(train_x).float() / 255 - 0.2860) / 0.3530
test_x = (torch.from_numpy(test_x).float() / 255 - 0.2860) / 0.3530
train_y, test_y = torch.from_numpy(train_y), torch.from_numpy(test_y)

net = FashionNet()
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(4):
    order = torch.randperm(len(train_x))
    for i in range(0, len(order), 50):
        idx = order[i : i + 50]
        opt.zero_grad()
        loss = F.cross_entropy(net(train_x[idx]), train_y[idx])
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", loss.item())

net.eval()
with torch.no_grad():
    correct = (net(test_x).argmax(1) == test_y).sum().item()
print("score:", correct / len(test_y))
