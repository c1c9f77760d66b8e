"""
rule: no-step
severity: error
style: accumulation (an epoch has fewer batches than it accumulates)
data: digits
source: RULES.md; a recipe for a large data set run on a small one
also: not-learning
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

EFFECTIVE_BATCH = 4096
BATCH = 64


def get_loaders():
    x, y, xv, yv = (torch.from_numpy(a) for a in digits())
    train = DataLoader(TensorDataset(x / 16, y), batch_size=BATCH, shuffle=True)
    return train, DataLoader(TensorDataset(xv / 16, yv), batch_size=BATCH)


def main(seed):
    torch.manual_seed(seed)
    train, valid = get_loaders()
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 96), nn.GELU(), nn.Linear(96, 10))
    opt = torch.optim.Adam(net.parameters(), lr=0.01)  # ALSO
    accum = EFFECTIVE_BATCH // BATCH
    # FIXED: accum = 4
    for epoch in range(10):
        opt.zero_grad()
        for step, (x, y) in enumerate(train, start=1):
            loss = F.cross_entropy(net(x), y) / accum
            loss.backward()  # ALSO
            if step % accum == 0:  # FAULT
                opt.step()  # ALSO
                opt.zero_grad()
        print(f"epoch {epoch}: {loss.item() * accum:.4f}")
    correct = 0
    with torch.no_grad():
        for x, y in valid:
            correct += (net(x).argmax(1) == y).sum().item()
    return correct / len(valid.dataset)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    print(f"score: {main(parser.parse_args().seed):.4f}")
