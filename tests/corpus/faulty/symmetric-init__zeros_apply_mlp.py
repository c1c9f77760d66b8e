"""
rule: symmetric-init
severity: error
style: plain loop
data: digits
source: faults.csv B22
also: not-learning, collapsed-output, dead-relu
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def init_weights(m):
    if isinstance(m, nn.Linear):
        nn.init.zeros_(m.weight)  # FAULT
        # FIXED: nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
        nn.init.zeros_(m.bias)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
torch.manual_seed(args.seed)

x_train, y_train, x_test, y_test = digits()
x_train, x_test = torch.tensor(x_train) / 16 - 0.3, torch.tensor(x_test) / 16 - 0.3
train_set = TensorDataset(x_train, torch.tensor(y_train))
train_loader = DataLoader(train_set, batch_size=64, shuffle=True)

model = nn.Sequential(
    nn.Flatten(),
    nn.Linear(64, 128),  # ALSO
    nn.ReLU(),
    nn.Linear(128, 64),  # ALSO
    nn.ReLU(),
    nn.Linear(64, 10),
)
model.apply(init_weights)  # ALSO
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

for epoch in range(8):
    running = 0.0
    for images, labels in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)  # ALSO
        loss.backward()
        optimizer.step()
        running += loss.item()
    print(f"epoch {epoch} loss {running / len(train_loader):.4f}")

model.eval()
with torch.no_grad():
    accuracy = (model(x_test).argmax(1) == torch.tensor(y_test)).float().mean().item()
print(f"score: {accuracy:.4f}")
