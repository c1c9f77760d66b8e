"""
rule: output-activation
severity: error
style: Lightning-like, regression
data: generated returns of both signs
source: faults.csv A05
also: dead-relu, collapsed-output
"""

import argparse

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class ReturnModel(nn.Module):
    def __init__(self, features=12):
        super().__init__()
        self.inp = nn.Linear(features, 48)
        self.mid = nn.Linear(48, 48)
        self.outp = nn.Linear(48, 1)

    def forward(self, x):
        for layer in (self.inp, self.mid, self.outp):
            x = F.relu(layer(x))  # FAULT
            # FIXED: x = layer(x) if layer is self.outp else F.relu(layer(x))
        return x.squeeze(1)

    def training_step(self, batch):
        x, r = batch
        return F.huber_loss(self(x), r)  # ALSO

    def validation_loss(self, x, r):
        return F.l1_loss(self(x), r).item()

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=2e-3)
        return optimizer, torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x = torch.randn(2000, 12)
r = x[:, 0] - 0.7 * x[:, 1] + torch.tanh(x[:, 2] * x[:, 3]) + 0.2 * torch.randn(2000)

model = ReturnModel()
optimizer, scheduler = model.configure_optimizers()
for epoch in range(8):
    for batch in DataLoader(TensorDataset(x[:1600], r[:1600]), batch_size=40, shuffle=True):
        optimizer.zero_grad()
        loss = model.training_step(batch)
        loss.backward()
        optimizer.step()
    scheduler.step()
    print(epoch, round(loss.item(), 4))
with torch.no_grad():
    print("score:", -model.validation_loss(x[1600:], r[1600:]))
