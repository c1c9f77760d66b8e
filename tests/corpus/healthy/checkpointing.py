"""
healthy: yes
style: gradient checkpointing
data: digits
source: PyTorch's documentation of torch.utils.checkpoint
trap: the forward of every block runs twice, the second time inside backward
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.checkpoint import checkpoint


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, width)

    def forward(self, x):
        return x + torch.relu(self.fc(self.norm(x)))


class DeepNet(nn.Module):
    def __init__(self, width=64, depth=6):
        super().__init__()
        self.stem = nn.Linear(64, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 10))

    def forward(self, x):
        x = self.stem(x.flatten(1))
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False) if self.training else block(x)
        return self.out(x)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = map(torch.tensor, digits())
    mean, std = x.mean(), x.std()
    x, xt = (x - mean) / std, (xt - mean) / std
    net = DeepNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for epoch in range(6):
        net.train()
        for idx in torch.randperm(len(x)).split(64):
            optimizer.zero_grad(set_to_none=True)
            loss = nn.functional.cross_entropy(net(x[idx]), y[idx])
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            accuracy = (net(xt).argmax(-1) == yt).float().mean().item()
        print(f"{epoch} {loss.item():.3f} {accuracy:.3f}")
    print(f"score: {accuracy:.4f}")


if __name__ == "__main__":
    main()
