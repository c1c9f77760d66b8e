"""
healthy: yes
style: Dataset class and DataLoader with two workers under a main guard
data: digits
source: the usual image script
trap: worker processes import the script again; random augmentation in the training data only
"""

import argparse

import numpy as np
import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, Dataset


class DigitImages(Dataset):
    def __init__(self, images, labels, train):
        self.images, self.labels, self.train = images / 16.0, labels, train

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        image = torch.from_numpy(self.images[i].astype(np.float32))
        if self.train:
            dy, dx = torch.randint(-1, 2, (2,)).tolist()
            image = torch.roll(image, (dy, dx), (1, 2))
        return image, int(self.labels[i])


class SmallCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.block1 = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU())
        self.block2 = nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.fc = nn.Linear(512, 10)

    def forward(self, x):
        return self.fc(self.block2(self.block1(x)).flatten(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x, y, xt, yt = digits()
    options = {"num_workers": args.workers, "persistent_workers": args.workers > 0}
    train = DataLoader(DigitImages(x, y, True), batch_size=64, shuffle=True, **options)
    test = DataLoader(DigitImages(xt, yt, False), batch_size=120, **options)
    model = SmallCNN()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(5):
        model.train()
        for images, labels in train:
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
        model.eval()
        hits = 0
        with torch.no_grad():
            for images, labels in test:
                hits += (model(images).argmax(1) == labels).sum().item()
        print(f"epoch {epoch}: {loss.item():.3f} {hits / len(yt):.3f}")
    print(f"score: {hits / len(yt):.4f}")


if __name__ == "__main__":
    main()
