"""
rule: input-constant
severity: error
style: plain loop
data: cifar
source: RULES.md (pixels scaled to 0..1 and then kept as integers: all zero)
also: not-learning, collapsed-output, no-gradient
"""

import argparse

import torch
from corpus_data import cifar
from torch import nn, optim

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

x_train, y_train, x_test, y_test = cifar(3000, 1000)
x_train = torch.tensor(x_train / 256, dtype=torch.int64).float()  # FAULT
# FIXED: x_train = torch.tensor(x_train / 256).float()
x_test = torch.tensor(x_test / 256, dtype=torch.int64).float()  # FAULT
# FIXED: x_test = torch.tensor(x_test / 256).float()
y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)

model = nn.Sequential(
    nn.Conv2d(3, 16, 3, stride=2),
    nn.BatchNorm2d(16),
    nn.ReLU(),
    nn.Conv2d(16, 32, 3, stride=2),
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(2),
    nn.Flatten(),
    nn.Linear(128, 10),
)
criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)

for epoch in range(4):
    model.train()
    for batch in torch.randperm(len(x_train)).split(100):
        optimizer.zero_grad()
        loss = criterion(model(x_train[batch]), y_train[batch])  # ALSO
        loss.backward()
        optimizer.step()
    scheduler.step()
    print(epoch, loss.item())

model.eval()
with torch.no_grad():
    accuracy = (model(x_test).argmax(dim=1) == y_test).float().mean().item()
print("score:", accuracy)
