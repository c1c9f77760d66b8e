"""
rule: augmented-evaluation
severity: warning
style: plain loop (one Dataset class, its random transform serves both splits)
data: digits
source: faults.csv B10, B12 (validation set augmented too)
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, Dataset


class DigitsDataset(Dataset):
    def __init__(self, images, labels, transform=None):
        self.images = torch.from_numpy(images) / 16
        self.labels = torch.from_numpy(labels)
        self.transform = transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        image = self.images[index]
        if self.transform is not None:
            image = self.transform(image)
        return image, self.labels[index]


def transform(image):
    dx, dy = torch.randint(-2, 3, (2,)).tolist()
    image = torch.roll(image, (dy, dx), dims=(1, 2))
    if torch.rand(()) < 0.5:
        row = int(torch.randint(0, 6, ()))
        image = image.clone()
        image[:, row : row + 3] = 0
    return image + 0.1 * torch.randn_like(image)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x_train, y_train, x_val, y_val = digits()
train_loader = DataLoader(DigitsDataset(x_train, y_train, transform), batch_size=32, shuffle=True)
val_set = DigitsDataset(x_val, y_val, transform)  # FAULT
# FIXED: val_set = DigitsDataset(x_val, y_val)
val_loader = DataLoader(val_set, batch_size=120)  # ALSO

model = nn.Sequential(
    nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10),
)  # fmt: skip
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(10):
    model.train()
    for images, labels in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
    model.eval()
    hits = 0
    with torch.no_grad():
        for images, labels in val_loader:
            hits += (model(images).argmax(1) == labels).sum().item()  # ALSO
    print(f"epoch {epoch}: loss {loss.item():.3f}, validation accuracy {hits / len(y_val):.3f}")
print(f"score: {hits / len(y_val):.4f}")
