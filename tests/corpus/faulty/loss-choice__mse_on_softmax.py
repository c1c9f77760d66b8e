"""
rule: loss-choice
severity: warning
style: class
data: fashion
source: faults.csv A06 (softmax with a squared error)
also: lr-too-low, output-activation, not-learning, vanishing-gradient
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.flatten = nn.Flatten()
        self.stack = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
        self.softmax = nn.Softmax(dim=1)  # ALSO
        # FIXED: self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, x):
        return self.softmax(self.stack(self.flatten(x)))  # ALSO


def fit(model, x, y, epochs):
    loss_fn = nn.MSELoss()  # FAULT
    # FIXED: loss_fn = nn.NLLLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    one_hot = torch.eye(10)
    for epoch in range(epochs):
        for idx in torch.randperm(len(x)).split(50):
            pred = model(x[idx])
            loss = loss_fn(pred, one_hot[y[idx]])  # FAULT
            # FIXED: loss = loss_fn(pred, y[idx])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        print(f"epoch {epoch} loss {loss.item():>7f}, {len(one_hot)} classes")


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
train_x, train_y, test_x, test_y = (torch.from_numpy(a) for a in fashion(3000, 1000))
train_x, test_x = train_x / 255, test_x / 255
classifier = Classifier()
fit(classifier, train_x, train_y, epochs=5)
classifier.eval()
with torch.no_grad():
    print("score:", (classifier(test_x).argmax(1) == test_y).float().mean().item())
