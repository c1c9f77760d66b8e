"""
rule: scheduler-frequency
severity: warning
style: class (Trainer, ExponentialLR with a gamma meant for epochs)
data: digits
source: automl/Auto-PyTorch#211
also: lr-too-low
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn


class Trainer:
    def __init__(self, model, lr=3e-3, gamma=0.9):
        self.model = model
        self.optimizer = torch.optim.Adam(model.parameters(), lr=lr)  # ALSO
        self.scheduler = torch.optim.lr_scheduler.ExponentialLR(self.optimizer, gamma)  # ALSO

    def _train_batch(self, x, y):
        loss = F.cross_entropy(self.model(x), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.scheduler.step()  # FAULT
        # FIXED:
        return loss.item()

    def fit(self, x, y, epochs=10, batch_size=20):
        for epoch in range(epochs):
            losses = [
                self._train_batch(x[idx], y[idx])
                for idx in torch.randperm(len(x)).split(batch_size)
            ]
            # FIXED: self.scheduler.step()
            print(f"epoch {epoch:2d}  loss {sum(losses) / len(losses):.4f}")


class RowLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 64, batch_first=True)
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        return self.fc(self.lstm(x)[0][:, -1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, x_val, y_val = (torch.from_numpy(a) for a in digits())
    x, x_val = x.squeeze(1) / 16, x_val.squeeze(1) / 16
    trainer = Trainer(RowLSTM())
    trainer.fit(x, y)
    with torch.no_grad():
        accuracy = (trainer.model(x_val).argmax(1) == y_val).float().mean().item()
    print(f"score: {accuracy:.4f}")
