"""
healthy: yes
style: step counter, validation in the middle of an epoch, two passes each
data: digits
source: RULES.md
trap: evaluation between training batches; the same model evaluated on two sets
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


@torch.no_grad()
def evaluate(model, loader, name):
    was_training = model.training
    model.eval()
    hits = sum((model(xb).argmax(1) == yb).sum().item() for xb, yb in loader)
    model.train(was_training)
    print(f"  {name}: {hits / len(loader.dataset):.3f}")
    return hits / len(loader.dataset)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--eval-every", type=int, default=15)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x, y, xt, yt = map(torch.tensor, digits())
    x, xt = (x - 4.9) / 6, (xt - 4.9) / 6
    train = DataLoader(TensorDataset(x[:1200], y[:1200]), batch_size=48, shuffle=True)
    val = DataLoader(TensorDataset(x[1200:], y[1200:]), batch_size=100)
    other = DataLoader(TensorDataset(xt, yt), batch_size=100)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout2d(0.1),
        nn.Flatten(),
        nn.Linear(256, 48),
        nn.ReLU(),
        nn.Linear(48, 10),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    global_step = 0
    model.train()
    while global_step < 200:
        for xb, yb in train:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(xb), yb)
            loss.backward()
            optimizer.step()
            global_step += 1
            if global_step % args.eval_every == 0:
                print(f"step {global_step}: {loss.item():.3f}")
                evaluate(model, val, "val")
                score = evaluate(model, other, "other writers")
    print(f"score: {score:.4f}")


main()
