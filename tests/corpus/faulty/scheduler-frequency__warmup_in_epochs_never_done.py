"""
rule: scheduler-frequency
severity: warning
style: Lightning-like (LambdaLR warm-up counted in batches, stepped by epochs)
data: digits
source: skorch-dev/skorch#610; a warm-up of 100 steps that takes 100 epochs
also: lr-too-low
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset


class LitMLP(nn.Module):
    def __init__(self, lr=0.1, warmup_steps=100):
        super().__init__()
        self.lr, self.warmup_steps = lr, warmup_steps
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(),
            nn.Linear(64, 10),
        )  # fmt: skip

    def training_step(self, batch):
        x, y = batch
        return F.cross_entropy(self.net(x), y)

    def configure_optimizers(self):
        optimizer = optim.SGD(self.parameters(), lr=self.lr)  # ALSO
        scheduler = optim.lr_scheduler.LambdaLR(  # ALSO
            optimizer, lambda step: min(1.0, (step + 1) / self.warmup_steps)
        )
        return optimizer, scheduler


class MiniTrainer:
    def __init__(self, max_epochs):
        self.max_epochs = max_epochs

    def fit(self, module, loader):
        optimizer, scheduler = module.configure_optimizers()
        for epoch in range(self.max_epochs):
            for batch in loader:
                loss = module.training_step(batch)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                # FIXED: scheduler.step()
            scheduler.step()  # FAULT
            # FIXED:
            print(f"epoch {epoch}: loss {loss.item():.4f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xv, yv = (torch.from_numpy(a) for a in digits())
    module = LitMLP()
    loader = DataLoader(TensorDataset(x / 8 - 1, y), batch_size=32, shuffle=True)
    MiniTrainer(max_epochs=8).fit(module, loader)
    with torch.no_grad():
        print(f"score: {(module.net(xv / 8 - 1).argmax(1) == yv).float().mean():.4f}")


if __name__ == "__main__":
    main()
