"""
rule: augmented-evaluation
severity: warning
style: Lightning-like (prepare() with random crops called in both steps)
data: cifar
source: faults.csv B10, B12
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import cifar
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 24, 5, stride=2, padding=2), nn.BatchNorm2d(24), nn.ReLU(),
            nn.Conv2d(24, 48, 3, stride=2, padding=1), nn.BatchNorm2d(48), nn.ReLU(),
            nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(768, 10),
        )  # fmt: skip

    def augment(self, x):
        if torch.rand(()) < 0.5:
            x = x.flip(3)
        x = x * (0.4 + 1.2 * torch.rand(len(x), 1, 1, 1))
        top, left = torch.randint(0, 13, (2,)).tolist()
        x = F.pad(x, (6, 6, 6, 6))
        return x[:, :, top : top + 32, left : left + 32]

    def prepare(self, batch):
        x, y = batch
        x = x.float() / 127.5 - 1
        return self.augment(x), y  # FAULT
        # FIXED: return (self.augment(x) if self.training else x), y

    def training_step(self, batch):
        x, y = self.prepare(batch)
        return F.cross_entropy(self.net(x), y)

    def validation_step(self, batch):
        x, y = self.prepare(batch)  # ALSO
        return (self.net(x).argmax(1) == y).sum().item()  # ALSO

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = (torch.tensor(a) for a in cifar(3000, 1000))
    train_loader = DataLoader(TensorDataset(x, y), batch_size=50, shuffle=True)
    val_loader = DataLoader(TensorDataset(xt, yt), batch_size=100)
    module = Classifier()
    optimizer = module.configure_optimizers()
    for epoch in range(6):
        module.train()
        for batch in train_loader:
            optimizer.zero_grad()
            loss = module.training_step(batch)
            loss.backward()
            optimizer.step()
        module.eval()
        with torch.no_grad():
            accuracy = sum(module.validation_step(batch) for batch in val_loader) / len(yt)
        print(f"epoch {epoch} loss {loss.item():.3f} val {accuracy:.3f}")
    print(f"score: {accuracy:.4f}")


main()
