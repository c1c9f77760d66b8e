"""
rule: init-scale
severity: error
style: Lightning-like
data: digits
source: faults.csv B47 (weights uniform in 0..1)
also: exploding-gradient, dead-relu, lr-too-high, saturated-activation
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader


class LitAutoEncoder(nn.Module):
    def __init__(self, lr=2e-3):
        super().__init__()
        self.lr = lr
        self.encoder = nn.Sequential(
            nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 24), nn.ReLU()
        )  # ALSO
        self.decoder = nn.Sequential(nn.Linear(24, 96), nn.ReLU(), nn.Linear(96, 64))  # ALSO
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.uniform_(p)  # FAULT
                # FIXED: nn.init.xavier_uniform_(p)

    def forward(self, x):
        return self.decoder(self.encoder(x))  # ALSO

    def training_step(self, batch):
        return F.mse_loss(self(batch), batch)  # ALSO

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


def fit(module, loader, max_epochs):
    optimizer = module.configure_optimizers()
    for epoch in range(max_epochs):
        module.train()
        for batch in loader:
            loss = module.training_step(batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print("epoch", epoch, "train_loss", round(loss.item(), 4))


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x_train, _, x_test, _ = digits()
x_train = torch.from_numpy(x_train).flatten(1) / 16
x_test = torch.from_numpy(x_test).flatten(1) / 16

autoencoder = LitAutoEncoder()
fit(autoencoder, DataLoader(x_train, batch_size=32, shuffle=True), max_epochs=12)
with torch.no_grad():
    val_loss = F.mse_loss(autoencoder(x_test), x_test).item()
print(f"score: {-val_loss:.5f}")
