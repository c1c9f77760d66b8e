"""
rule: input-scale
severity: error
style: class, LSTM forecaster
data: generated temperatures in kelvin
source: faults.csv B33
also: not-learning, saturated-activation
"""

import argparse

import torch
from torch import nn


class Forecaster(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.fc = nn.Linear(hidden, 1)

    def forward(self, window):
        out, _ = self.lstm(window)  # ALSO
        return self.fc(out[:, -1])


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
seed = parser.parse_args().seed
torch.manual_seed(seed)

hours = torch.arange(1500, dtype=torch.float32)
temperature = 288 + 8 * torch.sin(hours * 2 * torch.pi / 24) + 4 * torch.sin(hours / 37)
temperature += 0.3 * torch.randn(1500)
series = temperature  # FAULT
# FIXED: series = (temperature - temperature.mean()) / temperature.std()
mean, std = temperature.mean(), temperature.std()
windows = series.unfold(0, 24, 1)[:-1].unsqueeze(-1)
targets = ((temperature[24:] - mean) / std).unsqueeze(-1)

model = Forecaster()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
mse = nn.MSELoss()
for epoch in range(5):
    model.train()
    for idx in torch.randperm(1200).split(40):
        optimizer.zero_grad()
        loss = mse(model(windows[idx]), targets[idx])  # ALSO
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} mse {loss.item():.4f}")

model.eval()
with torch.no_grad():
    error = mse(model(windows[1200:]), targets[1200:]).item()
print(f"score: {-error:.4f}")
