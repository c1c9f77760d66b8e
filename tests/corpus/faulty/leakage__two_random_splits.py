"""
rule: leakage
severity: error
style: functional (random_split called twice, once for each side)
data: fashion
source: RULES.md; train_set, _ = random_split(...) and _, val_set = random_split(...);
    most validation pictures are training pictures, the score is false
proof: logic
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import fashion
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


def get_split(data, part):
    lengths = [int(0.8 * len(data)), len(data) - int(0.8 * len(data))]
    train, val = random_split(data, lengths)  # FAULT
    # FIXED: generator = torch.Generator().manual_seed(7)
    # FIXED: train, val = random_split(data, lengths, generator=generator)
    return train if part == "train" else val


def main(seed):
    torch.manual_seed(seed)
    x, y, _, _ = (torch.from_numpy(a) for a in fashion(2000, 10))
    data = TensorDataset(x / 255, y)
    train_loader = DataLoader(get_split(data, "train"), batch_size=40, shuffle=True)  # ALSO
    val_loader = DataLoader(get_split(data, "val"), batch_size=100)  # ALSO
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 200), nn.ReLU(), nn.Linear(200, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for epoch in range(8):
        net.train()
        for images, labels in train_loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(images), labels)  # ALSO
            loss.backward()
            optimizer.step()
        net.eval()
        hits = 0
        with torch.no_grad():
            for images, labels in val_loader:
                hits += (net(images).argmax(1) == labels).sum().item()  # ALSO
        print(f"epoch {epoch}: loss {loss.item():.4f} val {hits / len(val_loader.dataset):.4f}")
    return hits / len(val_loader.dataset)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    print(f"score: {main(parser.parse_args().seed):.4f}")
