"""
rule: label-range
severity: error
style: functional
data: fashion
source: faults.csv A15
also: collapsed-output, class-imbalance, loss-at-init, input-mismatch
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import fashion
from torch import nn


def normalise(*arrays):
    return [torch.from_numpy(a).float() / 255 for a in arrays]


def get_data():
    x_train, y_train, x_test, y_test = fashion(3000, 1000)
    x_train, x_test, y_train = normalise(x_train, x_test, y_train)  # FAULT
    # FIXED: x_train, x_test = normalise(x_train, x_test)
    # FIXED: y_train = torch.from_numpy(y_train)
    return x_train, y_train.long(), x_test, torch.from_numpy(y_test)  # ALSO


def get_model():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, 2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, 2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 36, 10),
    )


def fit(model, x, y, epochs=3):
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for epoch in range(epochs):
        for batch in torch.randperm(len(x)).split(50):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[batch]), y[batch])  # ALSO
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} training loss {loss.item():.5f}")


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, x_val, y_val = get_data()
cnn = get_model()
fit(cnn, x, y)
with torch.no_grad():
    print(f"score: {(cnn(x_val).argmax(1) == y_val).float().mean().item():.4f}")
