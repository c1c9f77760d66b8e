"""
healthy: yes
style: Trainer class
data: digits
source: RULES.md
trap: parameter groups without decay for norms and biases; AdamW's 0.05 decay; LayerNorm
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Block(nn.Module):
    def __init__(self, dim, expansion=2):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.up = nn.Linear(dim, dim * expansion)
        self.act = nn.GELU()
        self.down = nn.Linear(dim * expansion, dim)

    def forward(self, x):
        return x + self.down(self.act(self.up(self.norm(x))))


class ResidualMLP(nn.Module):
    def __init__(self, dim=64, depth=3, num_classes=10):
        super().__init__()
        self.embed = nn.Linear(64, dim)
        self.blocks = nn.Sequential(*[Block(dim) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, num_classes)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.embed(x.flatten(1)))))


class Trainer:
    def __init__(self, model, train_loader, val_loader, lr=2e-3, weight_decay=0.05):
        self.model, self.train_loader, self.val_loader = model, train_loader, val_loader
        decay = [p for p in model.parameters() if p.ndim > 1]
        no_decay = [p for p in model.parameters() if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": decay, "weight_decay": weight_decay},
                {"params": no_decay, "weight_decay": 0.0},
            ],
            lr=lr,
        )
        self.criterion = nn.CrossEntropyLoss()

    def fit(self, epochs):
        for epoch in range(epochs):
            self.model.train()
            for images, labels in self.train_loader:
                self.optimizer.zero_grad()
                self.criterion(self.model(images), labels).backward()
                self.optimizer.step()
            print(f"epoch {epoch} accuracy {self.validate():.3f}")
        return self.validate()

    @torch.no_grad()
    def validate(self):
        self.model.eval()
        correct = sum(
            (self.model(images).argmax(-1) == labels).sum().item()
            for images, labels in self.val_loader
        )
        return correct / len(self.val_loader.dataset)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = (torch.as_tensor(a) for a in digits())
    shift, scale = x.mean(), x.std()
    train = TensorDataset((x - shift) / scale, y)
    val = TensorDataset((xt - shift) / scale, yt)
    trainer = Trainer(ResidualMLP(), DataLoader(train, 64, shuffle=True), DataLoader(val, 120))
    print(f"score: {trainer.fit(8):.4f}")
