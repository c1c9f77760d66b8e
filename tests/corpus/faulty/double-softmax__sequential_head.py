"""
rule: double-softmax
severity: error
style: plain loop
data: fashion
source: faults.csv A40
also: lr-too-low
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=4)
args = parser.parse_args()
torch.manual_seed(args.seed)

x_train, y_train, x_test, y_test = fashion(3000, 1000)
x_train, x_test = torch.tensor(x_train) / 255, torch.tensor(x_test) / 255
y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)
loader = DataLoader(TensorDataset(x_train, y_train), batch_size=64, shuffle=True)

model = nn.Sequential(
    nn.Conv2d(1, 16, 3, stride=2, padding=1),
    nn.ReLU(),
    nn.Conv2d(16, 32, 3, stride=2, padding=1),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(32 * 7 * 7, 10),
    nn.Softmax(dim=1),  # FAULT
    # FIXED:
)
criterion = nn.CrossEntropyLoss()  # ALSO
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)

for epoch in range(args.epochs):
    for images, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)  # ALSO
        loss.backward()
        optimizer.step()
    print(f"Epoch [{epoch + 1}/{args.epochs}], Loss: {loss.item():.4f}")

with torch.no_grad():
    accuracy = (model(x_test).argmax(dim=1) == y_test).float().mean().item()
print(f"score: {accuracy:.4f}")
