"""
healthy: yes
style: torch.compile
data: digits
source: PyTorch's documentation of torch.compile
trap: the model is wrapped; hooks inside a compiled graph
"""

import argparse

import torch
from corpus_data import digits
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 24, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(24)
        self.fc1 = nn.Linear(24 * 16, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = torch.max_pool2d(torch.relu(self.bn(self.conv(x))), 2)
        return self.fc2(torch.relu(self.fc1(x.flatten(1))))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = [torch.tensor(a) for a in digits()]
    x, xt = (x - 4.9) / 6, (xt - 4.9) / 6
    model = Net()
    compiled = torch.compile(model, backend="eager")
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for epoch in range(6):
        compiled.train()
        batches = torch.randperm(len(x))[: len(x) // 64 * 64].view(-1, 64)
        for idx in batches:
            loss = nn.functional.cross_entropy(compiled(x[idx]), y[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: {loss.item():.4f}")
    compiled.eval()
    with torch.no_grad():
        accuracy = (compiled(xt).argmax(1) == yt).float().mean().item()
    print(f"score: {accuracy:.4f}")


if __name__ == "__main__":
    main()
