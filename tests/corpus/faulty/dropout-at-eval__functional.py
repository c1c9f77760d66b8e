"""
rule: dropout-at-eval
severity: warning
style: plain loop
data: digits
source: delip/PyTorchNLPBook#28, rixwew/pytorch-fm#21, pytorch/pytorch#26338
also: train-mode-evaluation
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from corpus_data import digits
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 3)
        self.fc1 = nn.Linear(180, 100)
        self.fc2 = nn.Linear(100, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = x.view(-1, 180)
        x = F.relu(self.fc1(x))
        x = F.dropout(x, p=0.7)  # FAULT
        # FIXED: x = F.dropout(x, p=0.7, training=self.training)
        return F.log_softmax(self.fc2(x), dim=1)


def train(model, loader, optimizer, epoch):
    model.train()
    for data, target in loader:
        optimizer.zero_grad()
        loss = F.nll_loss(model(data), target)
        loss.backward()
        optimizer.step()
    print(f"Train Epoch: {epoch} Loss: {loss.item():.6f}")


def test(model, loader):
    model.eval()
    correct = 0
    with torch.no_grad():
        for data, target in loader:
            correct += model(data).argmax(dim=1).eq(target).sum().item()
    print(f"Test set: Accuracy: {correct}/{len(loader.dataset)}")
    return correct / len(loader.dataset)


parser = argparse.ArgumentParser(description="PyTorch digits")
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
train_x, train_y, test_x, test_y = (torch.from_numpy(a) for a in digits())
train_loader = DataLoader(TensorDataset(train_x / 16, train_y), batch_size=64, shuffle=True)
test_loader = DataLoader(TensorDataset(test_x / 16, test_y), batch_size=120)
model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(1, 7):
    train(model, train_loader, optimizer, epoch)
    accuracy = test(model, test_loader)
print(f"score: {accuracy:.4f}")
