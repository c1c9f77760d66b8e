"""
healthy: yes
style: IterableDataset, no epochs, 500 steps
data: generated (frequency of a noisy wave)
source: RULES.md
trap: no length, no epoch, no batch seen twice; Conv1d
"""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset


class Waves(IterableDataset):
    def __init__(self, seed, length=48):
        self.seed, self.length = seed, length

    def __iter__(self):
        g = torch.Generator().manual_seed(self.seed)
        t = torch.arange(self.length) / self.length
        while True:
            kind = int(torch.randint(4, (), generator=g))
            phase = torch.rand((), generator=g) * 6.28
            wave = torch.sin(6.28 * (kind + 1) * t + phase)
            yield (wave + 0.7 * torch.randn(self.length, generator=g)).unsqueeze(0), kind


def build():
    return nn.Sequential(
        nn.Conv1d(1, 16, 7, padding=3),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(16, 32, 5, padding=2),
        nn.ReLU(),
        nn.AdaptiveMaxPool1d(1),
        nn.Flatten(),
        nn.Linear(32, 4),
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    torch.manual_seed(seed)
    model = build()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    stream = DataLoader(Waves(seed), batch_size=32)
    running = 0.0
    for step, (wave, kind) in enumerate(stream, 1):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(wave), kind)
        loss.backward()
        optimizer.step()
        running += loss.item()
        if step % 100 == 0:
            print(f"step {step}: {running / 100:.4f}")
            running = 0.0
        if step == 500:
            break
    wave, kind = next(iter(DataLoader(Waves(seed + 10_000), batch_size=500)))
    with torch.no_grad():
        print(f"score: {(model(wave).argmax(1) == kind).float().mean().item():.4f}")


if __name__ == "__main__":
    main()
