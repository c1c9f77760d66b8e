"""
rule: dropout-misuse
severity: warning
style: plain loop (the share to keep taken for the share to drop)
data: digits
source: faults.csv B92 (dropout kills performance), B14
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--keep", type=float, default=0.95)
args = parser.parse_args()
torch.manual_seed(args.seed)

x, y, x_test, y_test = (torch.from_numpy(a) for a in digits())
loader = DataLoader(TensorDataset(x / 16, y), batch_size=32, shuffle=True)
model = nn.Sequential(
    nn.Flatten(),
    nn.Linear(64, 128),
    nn.ReLU(),
    nn.Dropout(args.keep),  # FAULT
    # FIXED: nn.Dropout(1 - args.keep),
    nn.Linear(128, 128),
    nn.ReLU(),
    nn.Dropout(args.keep),  # FAULT
    # FIXED: nn.Dropout(1 - args.keep),
    nn.Linear(128, 10),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(8):
    model.train()
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)  # ALSO
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        accuracy = (model(x_test / 16).argmax(1) == y_test).float().mean().item()
    print(f"epoch {epoch}: loss {loss.item():.3f} accuracy {accuracy:.3f}")
print(f"score: {accuracy:.4f}")
