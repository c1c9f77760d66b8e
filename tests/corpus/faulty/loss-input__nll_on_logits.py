"""
rule: loss-input
severity: error
style: class
data: digits
source: RULES.md (NLLLoss without log_softmax: the loss falls without a bound)
also: loss-at-init, lr-too-high, exploding-gradient
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Perceptron(nn.Module):
    def __init__(self, n_in=64, n_hidden=64, n_out=10):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.drop = nn.Dropout(0.2)
        self.fc2 = nn.Linear(n_hidden, n_out)

    def forward(self, x):
        x = self.drop(torch.relu(self.fc1(x.flatten(1))))
        return self.fc2(x)  # ALSO


def main(seed):
    torch.manual_seed(seed)
    x, y, xt, yt = (torch.from_numpy(a) for a in digits())
    loader = DataLoader(TensorDataset(x / 16, y), batch_size=40, shuffle=True)
    model = Perceptron()
    criterion = nn.NLLLoss()  # FAULT
    # FIXED: criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(8):
        model.train()
        total = 0.0
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)  # ALSO
            loss.backward()
            optimizer.step()
            total += loss.item() * len(xb)
        print(f"epoch {epoch}: training loss {total / len(x):.3f}")
    model.eval()
    with torch.no_grad():
        return (model(xt / 16).argmax(1) == yt).float().mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    print(f"score: {main(parser.parse_args().seed):.4f}")
