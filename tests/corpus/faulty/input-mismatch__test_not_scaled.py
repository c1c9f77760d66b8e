"""
rule: input-mismatch
severity: error
style: plain loop
data: fashion
source: faults.csv A15 (x_test was not divided by 255)
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

x_train, y_train, x_test, y_test = (torch.from_numpy(a) for a in fashion(3000, 1000))
x_train = x_train.float() / 255
x_test = x_test.float()  # FAULT
# FIXED: x_test = x_test.float() / 255

train_dataloader = DataLoader(TensorDataset(x_train, y_train), batch_size=64, shuffle=True)
test_dataloader = DataLoader(TensorDataset(x_test, y_test), batch_size=250)  # ALSO

model = nn.Sequential(
    nn.Conv2d(1, 12, 3, stride=2),
    nn.BatchNorm2d(12),
    nn.ReLU(),
    nn.Conv2d(12, 24, 3, stride=2),
    nn.BatchNorm2d(24),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(24 * 36, 10),
)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)


def train_loop(dataloader):
    model.train()
    for X, y in dataloader:
        loss = loss_fn(model(X), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    print(f"loss: {loss.item():>7f}")


def test_loop(dataloader):
    model.eval()
    correct = 0
    with torch.no_grad():
        for X, y in dataloader:
            pred = model(X)  # ALSO
            correct += (pred.argmax(1) == y).sum().item()
    print(f"Accuracy: {100 * correct / len(dataloader.dataset):>0.1f}%")
    return correct / len(dataloader.dataset)


for _ in range(3):
    train_loop(train_dataloader)
    accuracy = test_loop(test_dataloader)
print(f"score: {accuracy:.4f}")
