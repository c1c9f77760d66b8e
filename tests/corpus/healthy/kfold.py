"""
healthy: yes
style: three models trained one after the other
data: digits
source: the usual cross-validation
trap: a picture is training data for one model and validation data for another
"""

import argparse

import numpy as np
import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset


def reset_model():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)
    )


def run_fold(dataset, train_ids, val_ids, epochs=6):
    train = DataLoader(Subset(dataset, train_ids), batch_size=32, shuffle=True)
    val = DataLoader(Subset(dataset, val_ids), batch_size=128)
    network = reset_model()
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    loss_function = nn.CrossEntropyLoss()
    for _ in range(epochs):
        network.train()
        for inputs, targets in train:
            optimizer.zero_grad()
            loss = loss_function(network(inputs), targets)
            loss.backward()
            optimizer.step()
    network.eval()
    correct = 0
    with torch.no_grad():
        for inputs, targets in val:
            correct += (network(inputs).argmax(1) == targets).sum().item()
    return correct / len(val_ids)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    torch.manual_seed(seed)
    x, y, xt, yt = digits()
    images = torch.tensor(np.concatenate([x, xt])) / 16.0
    dataset = TensorDataset(images, torch.tensor(np.concatenate([y, yt])))
    folds = np.array_split(np.random.default_rng(seed).permutation(len(dataset)), 3)
    results = []
    for k, val_ids in enumerate(folds):
        train_ids = np.concatenate([f for j, f in enumerate(folds) if j != k])
        results.append(run_fold(dataset, train_ids.tolist(), val_ids.tolist()))
        print(f"fold {k}: {results[-1]:.3f}")
    print(f"score: {np.mean(results):.4f}")
