"""
rule: dead-relu
severity: error
style: plain loop
data: fashion
source: faults.csv A29 and B63 (a rate so high that the first steps switch the units off for good)
also: lr-too-high, not-learning, collapsed-output
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
torch.manual_seed(args.seed)

x, y, xt, yt = (torch.from_numpy(a) for a in fashion(3000, 1000))
x, xt = (x / 255 - 0.286) / 0.353, (xt / 255 - 0.286) / 0.353
loader = DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True, drop_last=True)

net = nn.Sequential(
    nn.Conv2d(1, 16, 5, stride=2),
    nn.ReLU(),  # ALSO
    nn.Conv2d(16, 32, 3, stride=2),
    nn.ReLU(),  # ALSO
    nn.Flatten(),
    nn.Linear(32 * 25, 64),
    nn.ReLU(),  # ALSO
    nn.Linear(64, 10),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=1.0, momentum=0.9)  # FAULT
# FIXED: optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)

for epoch in range(4):
    for inputs, labels in loader:
        optimizer.zero_grad()
        outputs = net(inputs)  # ALSO
        loss = criterion(outputs, labels)  # ALSO
        loss.backward()
        optimizer.step()  # ALSO
    print("epoch", epoch, "loss", loss.item())

with torch.no_grad():
    print("score:", (net(xt).argmax(1) == yt).float().mean().item())
