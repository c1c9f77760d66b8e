"""
rule: overfitting
severity: warning
style: class (CNN on 400 colour pictures, no augmentation, no decay; score is minus the loss)
data: cifar
source: faults.csv F08
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import cifar
from torch import nn


class ConvNet(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 5, stride=2)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, stride=2)
        self.fc1 = nn.Linear(2 * width * 36, 128)
        self.drop = nn.Dropout(0.5)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.relu(self.fc1(x.flatten(1)))
        # FIXED: x = self.drop(x)
        return self.fc2(x)


class Trainer:
    def __init__(self, net, lr=1e-3, patience=3):
        self.net, self.patience = net, patience
        self.optimizer = torch.optim.Adam(net.parameters(), lr=lr)  # ALSO

    def augment(self, x):
        flip = torch.rand(len(x), 1, 1, 1) < 0.5
        return torch.where(flip, x.flip(3), x)

    def run(self, train, val, epochs):
        waited, best = 0, float("inf")
        for epoch in range(epochs):
            train_loss = self.epoch(*train)
            val_loss = self.evaluate(*val)
            print(f"epoch {epoch}: train {train_loss:.3f} val {val_loss:.3f}")
            waited = 0 if val_loss < best else waited + 1
            best = min(best, val_loss)
            # FIXED: if waited >= self.patience:
            # FIXED:     break
        return val_loss

    def epoch(self, x, y, batch_size=25):
        self.net.train()
        losses = []
        for idx in torch.randperm(len(x)).split(batch_size):
            images = x[idx]  # FAULT
            # FIXED: images = self.augment(x[idx])
            loss = F.cross_entropy(self.net(images), y[idx])  # ALSO
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return sum(losses) / len(losses)

    @torch.no_grad()
    def evaluate(self, x, y):
        self.net.eval()
        parts = zip(x.split(250), y.split(250))
        losses = [F.cross_entropy(self.net(a), b).item() for a, b in parts]  # ALSO
        return sum(losses) / len(losses)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = (torch.tensor(a) for a in cifar(400, 500))
    trainer = Trainer(ConvNet())  # ALSO
    val_loss = trainer.run((x / 127.5 - 1, y), (xt / 127.5 - 1, yt), epochs=30)  # ALSO
    print(f"score: {-val_loss:.4f}")
