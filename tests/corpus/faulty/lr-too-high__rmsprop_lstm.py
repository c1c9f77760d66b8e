"""
rule: lr-too-high
severity: error
style: plain loop (LSTM, RMSprop)
data: digits
source: faults.csv B18, B69 (weights no longer change)
also: saturated-activation, collapsed-output, exploding-gradient
"""

import argparse

import torch
import torch.nn as nn
from corpus_data import digits
from torch.utils.data import DataLoader, TensorDataset

ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
ap.add_argument("--lr", type=float, default=0.2)  # FAULT
# FIXED: ap.add_argument("--lr", type=float, default=0.002)
args = ap.parse_args()
torch.manual_seed(args.seed)


class LSTMNet(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.lstm = nn.LSTM(8, hidden, num_layers=2, batch_first=True)
        self.fc = nn.Linear(hidden, 10)

    def forward(self, x):
        h, _ = self.lstm(x.squeeze(1))
        return self.fc(h[:, -1, :])


tx, ty, vx, vy = [torch.tensor(a) for a in digits()]
loader = DataLoader(TensorDataset(tx / 16, ty), batch_size=48, shuffle=True)
net = LSTMNet(48)
optimizer = torch.optim.RMSprop(net.parameters(), lr=args.lr)  # ALSO
criterion = nn.CrossEntropyLoss()
for epoch in range(8):
    net.train()
    running = 0.0
    for batch, target in loader:
        optimizer.zero_grad()
        loss = criterion(net(batch), target)
        loss.backward()
        optimizer.step()
        running += loss.item()
    print(epoch + 1, running / len(loader))
net.eval()
with torch.no_grad():
    print("score:", (net(vx / 16).argmax(-1) == vy).float().mean().item())
