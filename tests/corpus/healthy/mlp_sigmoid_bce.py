"""
healthy: yes
style: class
data: digits (is it at least 5?)
source: the usual binary classifier
trap: a sigmoid output in front of BCELoss, saturated where the net is sure
"""

import argparse

import torch
import torch.nn as nn
from corpus_data import digits


class BinaryClassifier(nn.Module):
    def __init__(self, n_features):
        super().__init__()
        self.layer_1 = nn.Linear(n_features, 64)
        self.layer_2 = nn.Linear(64, 32)
        self.layer_out = nn.Linear(32, 1)
        self.relu = nn.ReLU()
        self.sigmoid = nn.Sigmoid()

    def forward(self, inputs):
        x = self.relu(self.layer_1(inputs))
        x = self.relu(self.layer_2(x))
        return self.sigmoid(self.layer_out(x))


def binary_acc(y_pred, y_true):
    return (y_pred.round() == y_true).float().mean()


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=0)
    torch.manual_seed(ap.parse_args().seed)

    x, y, xt, yt = digits()
    mean, std = x.mean(), x.std()
    x = torch.tensor((x - mean) / std).flatten(1)
    xt = torch.tensor((xt - mean) / std).flatten(1)
    y = torch.tensor(y >= 5).float().unsqueeze(1)
    yt = torch.tensor(yt >= 5).float().unsqueeze(1)

    model = BinaryClassifier(64)
    criterion = nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for e in range(12):
        model.train()
        epoch_loss = epoch_acc = 0.0
        batches = torch.randperm(len(x)).split(32)
        for idx in batches:
            optimizer.zero_grad()
            y_pred = model(x[idx])
            loss = criterion(y_pred, y[idx])
            loss.backward()
            optimizer.step()
            epoch_loss += loss.item()
            epoch_acc += binary_acc(y_pred.detach(), y[idx]).item()
        print(f"Epoch {e}: loss {epoch_loss / len(batches):.4f} acc {epoch_acc / len(batches):.3f}")

    model.eval()
    with torch.no_grad():
        score = binary_acc(model(xt), yt).item()
    print(f"score: {score:.4f}")


main()
