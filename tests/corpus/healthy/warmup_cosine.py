"""
healthy: yes
style: Lightning-like module with a loop of its own
data: digits
source: SequentialLR in PyTorch's documentation
trap: the first steps hardly move anything (lr is a hundredth); the schedule runs per step
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR
from torch.utils.data import DataLoader, TensorDataset


class LitDigits(nn.Module):
    def __init__(self, total_steps):
        super().__init__()
        self.total_steps = total_steps
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU())
        self.middle = nn.Sequential(nn.Linear(128, 64), nn.ReLU())
        self.classifier = nn.Linear(64, 10)

    def forward(self, x):
        return self.classifier(self.middle(self.encoder(x)))

    def training_step(self, batch, batch_idx):
        x, y = batch
        return F.cross_entropy(self(x), y)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        return (self(x).argmax(1) == y).float().mean()

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=4e-3)
        warm = LinearLR(optimizer, start_factor=0.01, total_iters=40)
        decay = CosineAnnealingLR(optimizer, T_max=self.total_steps - 40)
        return optimizer, SequentialLR(optimizer, [warm, decay], milestones=[40])


def fit(module, train_loader, val_loader, max_epochs):
    optimizer, scheduler = module.configure_optimizers()
    for _ in range(max_epochs):
        module.train()
        for i, batch in enumerate(train_loader):
            loss = module.training_step(batch, i)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
        module.eval()
        with torch.no_grad():
            scores = [module.validation_step(batch, i) for i, batch in enumerate(val_loader)]
        print(f"loss {loss.item():.3f} val_acc {torch.stack(scores).mean().item():.3f}")
    return torch.stack(scores).mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = (torch.from_numpy(a) for a in digits())
    train_loader = DataLoader(TensorDataset(x / 16, y), batch_size=32, shuffle=True)
    val_loader = DataLoader(TensorDataset(xt / 16, yt), batch_size=120)
    epochs = 8
    model = LitDigits(epochs * len(train_loader))
    print(f"score: {fit(model, train_loader, val_loader, epochs):.4f}")
