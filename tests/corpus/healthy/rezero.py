"""
healthy: yes
style: residual branches scaled by a parameter that starts at 0; stochastic depth
data: digits
source: Bachlechner et al. 2020; Huang et al. 2016
trap: layers whose gradient is exactly 0 at the first step; blocks skipped at random
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class ReZeroBlock(nn.Module):
    def __init__(self, width, drop):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, width), nn.Linear(width, width)
        self.alpha = nn.Parameter(torch.zeros(()))
        self.drop = drop

    def forward(self, x):
        if self.training and torch.rand(()).item() < self.drop:
            return x
        return x + self.alpha * self.fc2(torch.relu(self.fc1(x)))


class Net(nn.Module):
    def __init__(self, depth=6, width=64):
        super().__init__()
        self.inp = nn.Linear(64, width)
        self.blocks = nn.ModuleList([ReZeroBlock(width, 0.1 * i / depth) for i in range(depth)])
        self.out = nn.Linear(width, 10)

    def forward(self, x):
        x = torch.relu(self.inp(x.flatten(1)))
        for block in self.blocks:
            x = block(x)
        return self.out(x)


def main(args):
    torch.manual_seed(args.seed)
    a, b, c, d = map(torch.tensor, digits())
    train = DataLoader(TensorDataset((a - 4.9) / 6, b), batch_size=64, shuffle=True)
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(8):
        net.train()
        for images, labels in train:
            loss = nn.functional.cross_entropy(net(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, f"{loss.item():.4f}", [f"{block.alpha.item():.2f}" for block in net.blocks])
    net.eval()
    with torch.no_grad():
        print(f"score: {(net((c - 4.9) / 6).argmax(1) == d).float().mean().item():.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    main(parser.parse_args())
