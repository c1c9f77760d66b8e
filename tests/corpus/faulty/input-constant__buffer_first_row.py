"""
rule: input-constant
severity: error
style: functional, hand-cut batches
data: fashion
source: RULES.md (a preallocated array filled at the wrong index: all black)
also: not-learning, collapsed-output, no-gradient, input-mismatch
"""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from corpus_data import fashion
from torch import nn


def preprocess(raw):
    images = np.zeros(raw.shape, dtype=np.float32)
    for i, picture in enumerate(raw):
        scaled = picture / 255.0
        if i % 500 == 0:
            print(f"prepared {i} pictures")
        images[0] = scaled  # FAULT
        # FIXED: images[i] = scaled
    return torch.from_numpy(images)


def network():
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 25, 10),
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x_train, y_train, x_test, y_test = fashion(2500, 1000)
    x_train, x_test = preprocess(x_train), preprocess(x_test)  # ALSO
    y_train, y_test = torch.from_numpy(y_train), torch.from_numpy(y_test)
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(3):
        permutation = torch.randperm(len(x_train))
        for start in range(0, len(x_train), 50):
            batch = permutation[start : start + 50]
            loss = F.cross_entropy(model(x_train[batch]), y_train[batch])  # ALSO
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.4f}")
    with torch.no_grad():
        print(f"score: {(model(x_test).argmax(1) == y_test).float().mean().item():.4f}")


main()
