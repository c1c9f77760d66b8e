"""
rule: not-learning
severity: error
style: plain loop (a reward turned into a loss with the sign lost)
data: digits
source: faults.csv F02 (sign of the loss flipped)
also: lr-too-high, exploding-gradient, non-finite, loss-input
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.Tanh())
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return torch.log_softmax(self.head(self.body(x)), dim=1)


def objective(log_probabilities, y):
    chosen = log_probabilities.gather(1, y.unsqueeze(1)).squeeze(1)
    return chosen.mean()  # FAULT
    # FIXED: return -chosen.mean()


x, y, x_val, y_val = (torch.from_numpy(a) for a in digits())
loader = DataLoader(TensorDataset(x / 16, y), batch_size=64, shuffle=True)
policy = Policy()
optimizer = torch.optim.Adam(policy.parameters(), lr=2e-3)
for epoch in range(8):
    for state, action in loader:
        loss = objective(policy(state), action)  # ALSO
        optimizer.zero_grad()
        loss.backward()  # ALSO
        optimizer.step()
    print(f"epoch {epoch}: objective {loss.item():.4f}")
with torch.no_grad():
    print(f"score: {(policy(x_val / 16).argmax(1) == y_val).float().mean():.4f}")
