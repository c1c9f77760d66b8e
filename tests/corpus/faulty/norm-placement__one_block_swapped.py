"""
rule: norm-placement
severity: note
style: class, VGG-like
data: digits
source: RULES.md (one block has the norm behind its ReLU, the others before)
proof: logic
"""

import argparse

import torch
from corpus_data import digits
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block1 = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()
        )
        self.block2 = nn.Sequential(
            nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()
        )
        self.block3 = nn.Sequential(
            nn.Conv2d(32, 32, 3, padding=1, bias=False),  # ALSO
            nn.ReLU(),  # ALSO
            nn.BatchNorm2d(32),  # FAULT
            # FIXED:
        )
        # FIXED: self.block3.insert(1, nn.BatchNorm2d(32))
        self.block4 = nn.Sequential(
            nn.Conv2d(32, 48, 3, padding=1, bias=False), nn.BatchNorm2d(48), nn.ReLU()
        )
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(48, 10)

    def forward(self, x):
        x = self.pool(self.block2(self.block1(x)))
        x = self.block4(self.block3(x))  # ALSO
        return self.head(x.mean(dim=(2, 3)))


def main(seed):
    torch.manual_seed(seed)
    x, y, xt, yt = (torch.from_numpy(a) for a in digits())
    x, xt = x / 8 - 1, xt / 8 - 1
    net = Net()
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.01)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(4):
        net.train()
        for idx in torch.randperm(len(x)).split(64):
            loss = loss_fn(net(x[idx]), y[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print("epoch", epoch, "loss", loss.item())
    net.eval()
    with torch.no_grad():
        return (net(xt).argmax(1) == yt).float().mean().item()


if __name__ == "__main__":
    cli = argparse.ArgumentParser()
    cli.add_argument("--seed", type=int, default=0)
    print("score:", main(cli.parse_args().seed))
