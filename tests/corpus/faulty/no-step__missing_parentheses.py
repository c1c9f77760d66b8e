"""
rule: no-step
severity: error
style: class (LSTM over the rows of a digit)
data: digits
source: RULES.md; a method named but not called
also: not-learning
"""

import argparse
import random

import torch
from corpus_data import digits
from torch import nn


class RowReader(nn.Module):
    def __init__(self, hidden_size=48):
        super().__init__()
        self.lstm = nn.LSTM(input_size=8, hidden_size=hidden_size, batch_first=True)
        self.head = nn.Linear(hidden_size, 10)

    def forward(self, images):
        sequence = images.squeeze(1)
        outputs, _ = self.lstm(sequence)
        return self.head(outputs[:, -1])


class Experiment:
    def __init__(self, seed):
        random.seed(seed)
        torch.manual_seed(seed)
        self.train_x, self.train_y, self.test_x, self.test_y = map(torch.from_numpy, digits())
        self.train_x, self.test_x = self.train_x / 16, self.test_x / 16
        self.model = RowReader()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.01)  # ALSO
        self.criterion = nn.CrossEntropyLoss()

    def run_epoch(self, batch_size=64):
        indices = list(range(len(self.train_x)))
        random.shuffle(indices)
        for start in range(0, len(indices), batch_size):
            chosen = indices[start : start + batch_size]
            self.optimizer.zero_grad()
            loss = self.criterion(self.model(self.train_x[chosen]), self.train_y[chosen])
            loss.backward()  # ALSO
            self.optimizer.step  # noqa: B018  # FAULT
            # FIXED: self.optimizer.step()
        return loss.item()

    def accuracy(self):
        with torch.no_grad():
            predicted = self.model(self.test_x).argmax(1)
        return (predicted == self.test_y).float().mean().item()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
experiment = Experiment(parser.parse_args().seed)
for number in range(6):
    print("epoch", number, "loss", experiment.run_epoch())
print(f"score: {experiment.accuracy():.4f}")
