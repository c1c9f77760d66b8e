"""
rule: no-step
severity: error
style: AMP (Lightning-like module, no step in the AMP branch)
data: digits
source: RULES.md; the branch added for AMP has no step of its own
also: not-learning
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class LitDigits(nn.Module):
    def __init__(self, lr=1e-2):
        super().__init__()
        self.lr = lr
        self.features = nn.Sequential(
            nn.Conv2d(1, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
        )
        self.head = nn.Linear(24 * 16, 10)

    def forward(self, x):
        return self.head(self.features(x))

    def training_step(self, batch):
        x, y = batch
        return F.cross_entropy(self(x), y)

    def validation_step(self, batch):
        x, y = batch
        return (self(x).argmax(1) == y).float().sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9, nesterov=True)  # ALSO


def fit(module, train_loader, val_loader, max_epochs, use_amp=True):
    optimizer = module.configure_optimizers()  # ALSO
    scaler = torch.amp.GradScaler("cpu", enabled=use_amp)
    for epoch in range(max_epochs):
        module.train()
        for batch in train_loader:
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=use_amp):
                loss = module.training_step(batch)
            if use_amp:
                scaler.scale(loss).backward()  # FAULT
                # FIXED: scaler.scale(loss).backward()
                # FIXED: scaler.step(optimizer)
                # FIXED: scaler.update()
            else:
                loss.backward()
                optimizer.step()
        module.eval()
        with torch.no_grad():
            hits = sum(module.validation_step(batch).item() for batch in val_loader)
        print(f"epoch {epoch} loss {loss.item():.3f} val_acc {hits / len(val_loader.dataset):.3f}")
    return hits / len(val_loader.dataset)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
a, b, c, d = (torch.from_numpy(part) for part in digits())
score = fit(
    LitDigits(),
    DataLoader(TensorDataset(a / 16, b), batch_size=32, shuffle=True),
    DataLoader(TensorDataset(c / 16, d), batch_size=90),
    max_epochs=4,
)
print(f"score: {score:.4f}")
