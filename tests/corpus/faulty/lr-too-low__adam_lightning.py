"""
rule: lr-too-low
severity: warning
style: Lightning-like (rate of a fine-tuning recipe for training from scratch)
data: fashion
source: RULES.md; faults.csv A34
also: not-learning
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import fashion
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class LitNet(nn.Module):
    def __init__(self, learning_rate):
        super().__init__()
        self.learning_rate = learning_rate
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 12, 3, stride=2), nn.BatchNorm2d(12), nn.ReLU(),
            nn.Conv2d(12, 24, 3, stride=2), nn.BatchNorm2d(24), nn.ReLU(),
            nn.AdaptiveAvgPool2d(3), nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Linear(216, 10)

    def forward(self, x):
        return self.head(self.encoder(x))

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.cross_entropy(self(x), y)
        if batch_idx % 25 == 0:
            print(f"batch {batch_idx} train_loss {loss.item():.4f}")
        return loss

    def validation_step(self, batch):
        x, y = batch
        return (self(x).argmax(1) == y).float().mean()

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=self.learning_rate)  # ALSO


def fit(model, train_loader, val_loader, max_epochs):
    optimizer = model.configure_optimizers()
    for _ in range(max_epochs):
        model.train()
        for batch_idx, batch in enumerate(train_loader):
            optimizer.zero_grad()
            model.training_step(batch, batch_idx).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        return torch.stack([model.validation_step(batch) for batch in val_loader]).mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = (torch.from_numpy(a) for a in fashion(3000, 1000))
    train_loader = DataLoader(TensorDataset(x / 255, y), batch_size=50, shuffle=True)
    val_loader = DataLoader(TensorDataset(xt / 255, yt), batch_size=250)
    model = LitNet(learning_rate=1e-7)  # FAULT
    # FIXED: model = LitNet(learning_rate=2e-3)
    print(f"score: {fit(model, train_loader, val_loader, max_epochs=3):.4f}")
