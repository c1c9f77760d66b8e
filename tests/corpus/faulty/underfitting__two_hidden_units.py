"""
rule: underfitting
severity: note
style: plain loop
data: fashion
source: faults.csv A38 (capacity too small), B26
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--hidden", type=int, default=2)  # FAULT
# FIXED: parser.add_argument("--hidden", type=int, default=64)
args = parser.parse_args()
torch.manual_seed(args.seed)

x, y, xt, yt = (torch.from_numpy(a) for a in fashion(4000, 1000))
train_loader = DataLoader(TensorDataset(x / 255 - 0.29, y), batch_size=50, shuffle=True)  # ALSO
model = nn.Sequential(
    nn.Flatten(),
    nn.Linear(784, args.hidden),  # ALSO
    nn.ReLU(),
    nn.Linear(args.hidden, 10),  # ALSO
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)  # ALSO
for epoch in range(8):
    model.train()
    hits = 0
    for images, labels in train_loader:
        optimizer.zero_grad()
        logits = model(images)
        loss = criterion(logits, labels)  # ALSO
        loss.backward()
        optimizer.step()
        hits += (logits.argmax(1) == labels).sum().item()
    model.eval()
    with torch.no_grad():
        accuracy = (model(xt / 255 - 0.29).argmax(1) == yt).float().mean().item()
    print(f"epoch {epoch}: train {hits / len(y):.3f} val {accuracy:.3f}")
print(f"score: {accuracy:.4f}")
