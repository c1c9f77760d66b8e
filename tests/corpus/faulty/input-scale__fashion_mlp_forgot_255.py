"""
rule: input-scale
severity: error
style: plain loop
data: fashion
source: faults.csv A08
also: lr-too-high, loss-at-init, not-learning, dead-relu
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser(description="Fashion-MNIST, two hidden layers")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--lr", type=float, default=0.05)
args = parser.parse_args()
torch.manual_seed(args.seed)

train_images, train_labels, test_images, test_labels = fashion(4000, 1000)
train_images = torch.tensor(train_images, dtype=torch.float32)  # FAULT
# FIXED: train_images = torch.tensor(train_images, dtype=torch.float32) / 255.0
test_images = torch.tensor(test_images, dtype=torch.float32)  # FAULT
# FIXED: test_images = torch.tensor(test_images, dtype=torch.float32) / 255.0
train_loader = DataLoader(
    TensorDataset(train_images, torch.tensor(train_labels)), batch_size=64, shuffle=True
)

model = nn.Sequential(
    nn.Flatten(),
    nn.Linear(28 * 28, 128),
    nn.ReLU(),
    nn.Linear(128, 64),
    nn.ReLU(),
    nn.Linear(64, 10),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9)

for epoch in range(4):
    for images, labels in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)  # ALSO
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}, loss {loss.item():.4f}")

with torch.no_grad():
    acc = (model(test_images).argmax(1) == torch.tensor(test_labels)).float().mean()
print(f"score: {acc.item():.4f}")
