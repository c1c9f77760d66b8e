"""
rule: dropout-misuse
severity: warning
style: class (dropout after the last layer, just before the loss)
data: digits
source: RULES.md ("just before the loss"), faults.csv B14
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn


class GRUClassifier(nn.Module):
    def __init__(self, hidden=48):
        super().__init__()
        self.gru = nn.GRU(8, hidden, batch_first=True)
        self.fc = nn.Linear(hidden, 10)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        h, _ = self.gru(x.squeeze(1))
        # FIXED: return self.fc(h.mean(1))
        out = self.fc(h.mean(1))  # ALSO
        return self.dropout(out)  # FAULT


class Learner:
    def __init__(self, model, lr):
        self.model = model
        self.optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    def fit(self, x, y, epochs, batch_size=32):
        self.model.train()
        for epoch in range(epochs):
            for idx in torch.randperm(len(x)).split(batch_size):
                loss = F.cross_entropy(self.model(x[idx]), y[idx])  # ALSO
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
            print(epoch, loss.item())

    @torch.no_grad()
    def nll(self, x, y):
        self.model.eval()
        return F.cross_entropy(self.model(x), y).item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = (torch.from_numpy(a) for a in digits())
    learner = Learner(GRUClassifier(), lr=5e-3)
    learner.fit(x / 16, y, epochs=6)
    print(f"score: {-learner.nll(xt / 16, yt):.4f}")
