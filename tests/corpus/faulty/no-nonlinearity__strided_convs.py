"""
rule: no-nonlinearity
severity: error
style: Trainer class
data: cifar
source: faults.csv A37 (activations of the convolutions)
also: underfitting
"""

import argparse

import torch
from corpus_data import cifar
from torch import nn


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 24, 3, stride=2, padding=1)  # ALSO
        self.conv2 = nn.Conv2d(24, 48, 3, stride=2, padding=1)  # ALSO
        self.conv3 = nn.Conv2d(48, 64, 3, stride=2, padding=1)  # ALSO
        self.fc = nn.Linear(64 * 16, 10)  # ALSO

    def forward(self, x):
        x = self.conv1(x)  # FAULT
        # FIXED: x = torch.relu(self.conv1(x))
        x = self.conv2(x)  # FAULT
        # FIXED: x = torch.relu(self.conv2(x))
        x = self.conv3(x)  # FAULT
        # FIXED: x = torch.relu(self.conv3(x))
        return self.fc(x.view(x.size(0), -1))  # ALSO


class Trainer:
    def __init__(self, model, lr=2e-3):
        self.model = model
        self.optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        self.criterion = nn.CrossEntropyLoss()

    def fit(self, x, y, epochs, batch_size=64):
        for _ in range(epochs):
            self.model.train()
            for idx in torch.randperm(len(x)).split(batch_size):
                self.optimizer.zero_grad()
                self.criterion(self.model(x[idx]), y[idx]).backward()  # ALSO
                self.optimizer.step()

    @torch.no_grad()
    def accuracy(self, x, y):
        self.model.eval()
        return (self.model(x).argmax(1) == y).float().mean().item()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x_train, y_train, x_test, y_test = (torch.tensor(a) for a in cifar(4000, 1000))
x_train, x_test = x_train.float() / 127.5 - 1, x_test.float() / 127.5 - 1
trainer = Trainer(ConvNet())
trainer.fit(x_train, y_train, epochs=6)
print(f"score: {trainer.accuracy(x_test, y_test):.4f}")
