"""
rule: label-misalignment
severity: error
style: class (pictures and labels in two loaders, each with a shuffle of its own)
data: fashion
source: faults.csv B24 (features and labels batched separately)
also: not-learning
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn, optim
from torch.utils.data import DataLoader


class Trainer:
    def __init__(self, images, labels, batch_size):
        self.image_loader = DataLoader(images, batch_size=batch_size, shuffle=True)  # FAULT
        # FIXED: self.image_loader = DataLoader(images, batch_size=batch_size)
        self.label_loader = DataLoader(labels, batch_size=batch_size, shuffle=True)  # FAULT
        # FIXED: self.label_loader = DataLoader(labels, batch_size=batch_size)
        self.model = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(576, 10),
        )
        self.optimizer = optim.Adam(self.model.parameters(), lr=1e-3)
        self.criterion = nn.CrossEntropyLoss()

    def train_epoch(self):
        self.model.train()
        total = 0.0
        for images, labels in zip(self.image_loader, self.label_loader):  # ALSO
            self.optimizer.zero_grad()
            loss = self.criterion(self.model(images), labels)  # ALSO
            loss.backward()
            self.optimizer.step()
            total += loss.item()
        return total / len(self.image_loader)

    @torch.no_grad()
    def accuracy(self, images, labels):
        self.model.eval()
        return (self.model(images).argmax(1) == labels).float().mean().item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = (torch.from_numpy(a) for a in fashion(3000, 1000))
    trainer = Trainer(x / 255, y, batch_size=50)  # ALSO
    for epoch in range(5):
        loss = trainer.train_epoch()
        accuracy = trainer.accuracy(xt / 255, yt)
        print(f"epoch {epoch} loss {loss:.4f} accuracy {accuracy:.4f}")
    print(f"score: {accuracy:.4f}")


if __name__ == "__main__":
    main()
