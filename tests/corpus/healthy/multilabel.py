"""
healthy: yes
style: class, BCEWithLogitsLoss with a pos_weight
data: digits, five attributes of each
source: the usual multi-label head
trap: float targets of several columns; a loss whose start is not ln C
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, Dataset


class AttributeDataset(Dataset):
    def __init__(self, images, labels):
        self.images = (torch.from_numpy(images) - 4.9) / 6.0
        d = torch.from_numpy(labels)
        loops = torch.tensor([1, 0, 0, 0, 1, 0, 1, 0, 2, 1])
        self.attributes = torch.stack(
            [d % 2 == 0, d > 4, d % 3 == 0, loops[d] > 0, d == 7], dim=1
        ).float()

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return {"image": self.images[index], "attributes": self.attributes[index]}


class AttributeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.LeakyReLU(0.1),
        )
        self.fc = nn.Linear(512, 5)

    def forward(self, image):
        return self.fc(self.conv(image).flatten(1))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=0)
    torch.manual_seed(ap.parse_args().seed)
    x, y, xt, yt = digits()
    train, test = AttributeDataset(x, y), AttributeDataset(xt, yt)
    loader = DataLoader(train, batch_size=64, shuffle=True)
    positive = train.attributes.mean(0)
    criterion = nn.BCEWithLogitsLoss(pos_weight=((1 - positive) / positive).sqrt())
    model = AttributeNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(6):
        model.train()
        for sample in loader:
            optimizer.zero_grad()
            loss = criterion(model(sample["image"]), sample["attributes"])
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: {loss.item():.4f}")
    model.eval()
    with torch.no_grad():
        hits = (model(test.images) > 0) == (test.attributes > 0.5)
    print(f"score: {hits.all(dim=1).float().mean().item():.4f}")


main()
