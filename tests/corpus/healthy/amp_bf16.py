"""
healthy: yes
style: automatic mixed precision on the CPU
data: fashion
source: PyTorch's documentation of torch.autocast
trap: activations in bfloat16, a loss computed inside autocast
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(1, 16, 3, stride=2, padding=1, bias=False)
        self.n1 = nn.BatchNorm2d(16)
        self.c2 = nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False)
        self.n2 = nn.BatchNorm2d(32)
        self.fc = nn.Linear(32 * 7 * 7, 10)

    def forward(self, x):
        x = torch.relu(self.n1(self.c1(x)))
        x = torch.relu(self.n2(self.c2(x)))
        return self.fc(x.flatten(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = fashion(2000, 500)
    x, xt = (torch.tensor(x) - 73.0) / 90.0, (torch.tensor(xt) - 73.0) / 90.0
    y, yt = torch.tensor(y), torch.tensor(yt)
    model = ConvNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(4):
        model.train()
        for idx in torch.randperm(len(x)).split(50):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = nn.functional.cross_entropy(model(x[idx]), y[idx])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            accuracy = (model(xt).argmax(1) == yt).float().mean().item()
        print(f"epoch {epoch}: loss {loss.item():.3f} accuracy {accuracy:.3f}")
    print(f"score: {accuracy:.4f}")


main()
