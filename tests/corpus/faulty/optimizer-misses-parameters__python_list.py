"""
rule: optimizer-misses-parameters
severity: error
style: plain loop (deep MLP, layers kept in a list)
data: digits
source: RULES.md; nn.ModuleList forgotten
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from corpus_data import digits


class DeepNet(nn.Module):
    def __init__(self, in_dim, hidden_dim, out_dim, depth):
        super().__init__()
        self.input_layer = nn.Linear(in_dim, hidden_dim)
        self.blocks = []
        for _ in range(depth):
            self.blocks.append(nn.Linear(hidden_dim, hidden_dim))  # FAULT
            # FIXED: self.blocks.append(nn.Linear(hidden_dim, hidden_dim))
        # FIXED: self.blocks = nn.ModuleList(self.blocks)
        self.output_layer = nn.Linear(hidden_dim, out_dim)

    def forward(self, x):
        x = F.relu(self.input_layer(x.view(x.size(0), -1)))
        for block in self.blocks:
            x = F.relu(block(x))  # ALSO
        return self.output_layer(x)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
torch.manual_seed(args.seed)

x_train, y_train, x_test, y_test = [torch.tensor(a) for a in digits()]
x_train, x_test = x_train / 16, x_test / 16
model = DeepNet(64, 20, 10, depth=4)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)  # ALSO
for epoch in range(20):
    order = torch.randperm(len(x_train))
    for idx in order.split(32):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x_train[idx]), y_train[idx])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch}: {loss.item():.4f}")

with torch.no_grad():
    print(f"score: {(model(x_test).argmax(1) == y_test).float().mean():.4f}")
