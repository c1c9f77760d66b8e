"""
rule: graph-retained
severity: warning
style: class (Trainer that keeps every loss of the run)
data: generated
source: rballester/tntorch PR#19 (every stored loss was a whole graph); the score can't show it
proof: logic
"""

import argparse

import torch
from torch import nn


class Trainer:
    """Fits a regression and remembers how the loss went."""

    def __init__(self, net, lr):
        self.net = net
        self.optimizer = torch.optim.Adam(net.parameters(), lr=lr)
        self.criterion = nn.SmoothL1Loss()
        self.loss_history = []

    def step(self, x, y):
        self.optimizer.zero_grad()
        loss = self.criterion(self.net(x), y)  # ALSO
        loss.backward()
        self.optimizer.step()
        self.loss_history.append(loss)  # FAULT
        # FIXED: self.loss_history.append(loss.detach())

    def fit(self, x, y, steps, batch_size):
        for step in range(steps):
            idx = torch.randint(len(x), (batch_size,))
            self.step(x[idx], y[idx])
            if (step + 1) % 100 == 0:
                recent = torch.stack(self.loss_history[-100:]).mean()
                print(f"step {step + 1}: mean loss of the last 100 {recent:.4f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x = torch.rand(2000, 6) * 2 - 1
    y = (torch.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2] - x[:, 3].abs()).unsqueeze(1)
    net = nn.Sequential(nn.Linear(6, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))
    trainer = Trainer(net, lr=3e-3)
    trainer.fit(x[:1600], y[:1600], steps=400, batch_size=64)
    with torch.no_grad():
        error = (net(x[1600:]) - y[1600:]).square().mean().item()
    print(f"score: {-error:.4f}")


if __name__ == "__main__":
    main()
