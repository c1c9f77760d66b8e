"""
rule: loss-broadcast
severity: error
style: class, LSTM forecaster
data: generated waves
source: RULES.md
also: not-learning, collapsed-output
"""

import argparse

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Windows(Dataset):
    def __init__(self, series, length=20):
        self.series, self.length = series, length

    def __len__(self):
        return len(self.series) - self.length

    def __getitem__(self, i):
        return self.series[i : i + self.length].unsqueeze(-1), self.series[i + self.length]


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, 24, batch_first=True)
        self.linear = nn.Linear(24, 1)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.linear(out[:, -1])


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
t = torch.arange(1400) / 10
series = torch.sin(t) + 0.5 * torch.sin(2.7 * t) + 0.05 * torch.randn(1400)
train, test = Windows(series[:1100]), Windows(series[1100:])

model = Model()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(5):
    model.train()
    for window, following in DataLoader(train, batch_size=36, shuffle=True):
        prediction = model(window)  # ALSO
        loss = F.smooth_l1_loss(prediction, following)  # FAULT
        # FIXED: loss = F.smooth_l1_loss(prediction[:, 0], following)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    print(f"epoch {epoch}: {loss.item():.4f}")
model.eval()
with torch.no_grad():
    window, following = next(iter(DataLoader(test, batch_size=len(test))))
    error = (model(window)[:, 0] - following).abs().mean().item()
print("score:", -error)
