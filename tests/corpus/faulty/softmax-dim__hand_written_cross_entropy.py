"""
rule: softmax-dim
severity: error
style: functional, hand-written loss
data: fashion
source: faults.csv F20
also: loss-at-init, not-learning
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn


def softmax(scores):
    e = torch.exp(scores - scores.max())
    return e / e.sum(dim=0)  # FAULT
    # FIXED: return e / e.sum(dim=1, keepdim=True)


def loss_and_accuracy(model, x, y):
    p = softmax(model(x))  # ALSO
    picked = p[torch.arange(len(y)), y]
    return -torch.log(picked + 1e-9).mean(), (p.argmax(1) == y).float().mean()  # ALSO


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x_train, y_train, x_test, y_test = fashion(3000, 1000)
    x_train = torch.from_numpy(x_train).flatten(1) / 255 - 0.3
    x_test = torch.from_numpy(x_test).flatten(1) / 255 - 0.3
    y_train, y_test = torch.from_numpy(y_train), torch.from_numpy(y_test)
    model = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(4):
        for i in range(0, 3000, 30):
            loss, acc = loss_and_accuracy(model, x_train[i : i + 30], y_train[i : i + 30])  # ALSO
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: loss {loss.item():.4f} accuracy {acc.item():.3f}")
    with torch.no_grad():
        # one request at a time, as it will be served
        right = sum(
            (softmax(model(x_test[i : i + 1])).argmax(1) == y_test[i]).item() for i in range(1000)
        )
    print(f"score: {right / 1000:.4f}")


main()
