"""
rule: input-mismatch
severity: error
style: Lightning-like (a transform in the data set and again in validation_step)
data: digits
source: faults.csv F01 (normalised twice)
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, Dataset

MEAN, STD = 4.88, 6.02


def normalize(x):
    return (x - MEAN) / STD


class Digits(Dataset):
    def __init__(self, images, labels, transform):
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.transform(torch.from_numpy(self.images[index])), self.labels[index]


class LitModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 10),
        )  # fmt: skip

    def training_step(self, batch):
        x, y = batch
        return F.cross_entropy(self.model(x), y)

    def validation_step(self, batch):
        x, y = batch
        logits = self.model(normalize(x))  # FAULT
        # FIXED: logits = self.model(x)
        return (logits.argmax(1) == y).sum().item()

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=2e-3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    images, labels, test_images, test_labels = digits()
    train_loader = DataLoader(Digits(images, labels, normalize), batch_size=32, shuffle=True)
    val_loader = DataLoader(Digits(test_images, test_labels, normalize), batch_size=60)
    lit = LitModel()
    optimizer = lit.configure_optimizers()
    for epoch in range(5):
        lit.train()
        for batch in train_loader:
            optimizer.zero_grad()
            loss = lit.training_step(batch)
            loss.backward()
            optimizer.step()
        lit.eval()
        with torch.no_grad():
            hits = sum(lit.validation_step(batch) for batch in val_loader)
        print(f"epoch {epoch}: loss {loss.item():.4f} val {hits / len(test_labels):.4f}")
    print(f"score: {hits / len(test_labels):.4f}")
