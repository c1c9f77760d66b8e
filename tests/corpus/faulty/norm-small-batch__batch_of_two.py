"""
rule: norm-small-batch
severity: warning
style: plain loop (batch norm on vectors, two pictures a batch)
data: digits
source: faults.csv B80 (batch norm on a batch of 1)
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--batch-size", type=int, default=2)  # FAULT
# FIXED: parser.add_argument("--batch-size", type=int, default=32)
args = parser.parse_args()
torch.manual_seed(args.seed)

x_train, y_train, x_test, y_test = (torch.from_numpy(a) for a in digits())
train_set = TensorDataset(x_train / 16, y_train)
loader = DataLoader(train_set, batch_size=args.batch_size, shuffle=True, drop_last=True)  # ALSO

model = nn.Sequential(
    nn.Flatten(),
    nn.Linear(64, 64),
    nn.BatchNorm1d(64),  # ALSO
    nn.ReLU(),
    nn.Linear(64, 64),
    nn.BatchNorm1d(64),  # ALSO
    nn.ReLU(),
    nn.Linear(64, 10),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

for epoch in range(4):
    model.train()
    for images, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)  # ALSO
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        accuracy = (model(x_test / 16).argmax(1) == y_test).float().mean().item()
    print(f"epoch {epoch}: {accuracy:.4f}")
print(f"score: {accuracy:.4f}")
