"""
rule: label-misalignment
severity: error
style: plain loop
data: digits
source: faults.csv B25 (images and labels shuffled independently)
also: not-learning, overfitting
"""

import argparse

import numpy as np
import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
torch.manual_seed(args.seed)
np.random.seed(args.seed)

x_train, y_train, x_test, y_test = digits()
np.random.shuffle(x_train)  # FAULT
# FIXED: order = np.random.permutation(len(x_train))
# FIXED: x_train, y_train = x_train[order], y_train[order]
train_set = TensorDataset(torch.from_numpy(x_train / 16), torch.from_numpy(y_train))
train_loader = DataLoader(train_set, batch_size=32, shuffle=True)  # ALSO
x_test, y_test = torch.from_numpy(x_test / 16), torch.from_numpy(y_test)

model = nn.Sequential(
    nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

for epoch in range(25):
    model.train()
    for xb, yb in train_loader:  # ALSO
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)  # ALSO
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        logits = model(x_test)
        val_loss = criterion(logits, y_test).item()
        accuracy = (logits.argmax(1) == y_test).float().mean().item()
    print(f"{epoch}: train {loss.item():.3f} val {val_loss:.3f} accuracy {accuracy:.3f}")
print(f"score: {accuracy:.4f}")
