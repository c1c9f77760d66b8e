"""
rule: loss-input
severity: error
style: plain loop, binary
data: generated clouds
source: faults.csv B53 (the loss expects probabilities); torch refuses values outside 0..1
proof: logic
also: output-activation
"""

import argparse

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
torch.manual_seed(args.seed)

labels = torch.randint(0, 2, (1000,)).float()
points = torch.randn(1000, 5) + 0.8 * labels.unsqueeze(1)

model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1))  # ALSO
criterion = nn.BCELoss()  # FAULT
# FIXED: criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
for epoch in range(10):
    for idx in torch.randperm(800).split(40):
        optimizer.zero_grad()
        output = model(points[idx]).squeeze()
        loss = criterion(output, labels[idx])  # ALSO
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())

with torch.no_grad():
    guess = (model(points[800:]).squeeze() > 0).float()
print("score:", (guess == labels[800:]).float().mean().item())
