"""
rule: frozen-norm-updates
severity: warning
style: class (fine-tuning; freeze() sets eval once, model.train() undoes it every epoch)
data: digits
source: jfzhang95/pytorch-deeplab-xception#140, poppinace/indexnet_matting#35;
    the new head learns with either statistics, the backbone no longer is the one that was saved
proof: logic
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),  # ALSO
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1, bias=False),
            nn.BatchNorm2d(32),  # ALSO
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        )
        self.head = nn.Linear(128, classes)

    def forward(self, x):
        return self.head(self.backbone(x))  # ALSO

    def freeze(self):
        self.backbone.eval()
        for p in self.backbone.parameters():
            p.requires_grad = False  # ALSO


def train(net, loader, epochs, lr):
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=lr)
    for epoch in range(epochs):
        net.train()  # FAULT
        # FIXED: net.train()
        # FIXED: net.backbone.train(net.backbone[0].weight.requires_grad)
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)  # ALSO
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.4f}")


def part(x, y, keep):
    chosen = torch.isin(y, torch.tensor(keep))
    return TensorDataset(x[chosen] / 16, y[chosen] - keep[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = (torch.from_numpy(a) for a in digits())
    net = Net(classes=6)
    train(net, DataLoader(part(x, y, [0, 1, 2, 3, 4, 5]), batch_size=32, shuffle=True), 4, 3e-3)
    net.freeze()
    net.head = nn.Linear(128, 4)
    train(net, DataLoader(part(x, y, [6, 7, 8, 9]), batch_size=32, shuffle=True), 4, 1e-2)
    net.eval()
    images, labels = part(xt, yt, [6, 7, 8, 9]).tensors
    with torch.no_grad():
        print(f"score: {(net(images).argmax(1) == labels).float().mean():.4f}")
