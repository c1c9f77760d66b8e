"""
rule: loss-reduction
severity: warning
style: class, autoencoder
data: digits
source: faults.csv A41 (the update is not divided by the batch's size)
also: lr-too-high, non-finite, exploding-gradient, dead-relu
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader


class Autoencoder(nn.Module):
    def __init__(self, code=16):
        super().__init__()
        self.enc1, self.enc2 = nn.Linear(64, 48), nn.Linear(48, code)
        self.dec1, self.dec2 = nn.Linear(code, 48), nn.Linear(48, 64)

    def forward(self, x):
        code = self.enc2(torch.relu(self.enc1(x)))
        return self.dec2(torch.relu(self.dec1(code)))


def reconstruction_error(x_hat, x):
    return F.mse_loss(x_hat, x, reduction="sum")  # FAULT
    # FIXED: return F.mse_loss(x_hat, x)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x_train, _, x_test, _ = digits()
x_train = torch.from_numpy(x_train).view(-1, 64) / 8 - 1
x_test = torch.from_numpy(x_test).view(-1, 64) / 8 - 1

model = Autoencoder()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)  # ALSO
for epoch in range(15):
    for x in DataLoader(x_train, batch_size=64, shuffle=True):
        loss = reconstruction_error(model(x), x)  # ALSO
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: {loss.item():.4f}")
with torch.no_grad():
    error = torch.nan_to_num((model(x_test) - x_test).pow(2).mean(), nan=1e6, posinf=1e6)
print(f"score: {-error.item():.4f}")
