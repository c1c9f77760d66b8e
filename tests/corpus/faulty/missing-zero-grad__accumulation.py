"""
rule: missing-zero-grad
severity: error
style: accumulation (the step comes every 4 batches, the clearing never)
data: digits
source: RULES.md; the accumulation recipe copied without its last line
"""

import argparse

import torch
import torch.nn as nn
import torch.optim as optim
from corpus_data import digits
from torch.utils.data import DataLoader, TensorDataset


def build_model():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--accumulation-steps", type=int, default=4)
    cfg = ap.parse_args()
    torch.manual_seed(cfg.seed)

    xtr, ytr, xte, yte = map(torch.from_numpy, digits())
    loader = DataLoader(TensorDataset(xtr / 16, ytr), batch_size=16, shuffle=True, drop_last=True)
    model = build_model()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    for epoch in range(6):
        model.train()
        for i, (x, y) in enumerate(loader):
            loss = loss_fn(model(x), y) / cfg.accumulation_steps
            loss.backward()  # ALSO
            if (i + 1) % cfg.accumulation_steps == 0:
                optimizer.step()  # FAULT
                # FIXED: optimizer.step()
                # FIXED: optimizer.zero_grad()
        print("epoch", epoch, "last loss", loss.item() * cfg.accumulation_steps)

    model.eval()
    with torch.no_grad():
        correct = (model(xte / 16).argmax(dim=1) == yte).sum().item()
    print(f"score: {correct / len(yte):.4f}")


main()
