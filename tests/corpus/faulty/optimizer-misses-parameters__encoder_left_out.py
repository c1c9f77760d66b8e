"""
rule: optimizer-misses-parameters
severity: error
style: functional (two modules, one optimizer; LSTM encoder)
data: generated
source: RULES.md ("a second model"); cf. ronghuaiyang/arcface-pytorch#20
"""

import argparse

import torch
import torch.nn.functional as F
from torch import nn


def make_sequences(n, length=12):
    """The adding problem: the target is the sum of the two marked values."""
    x = torch.randn(n, length, 2)
    marks = torch.zeros(n, length)
    position = torch.randint(length, (n, 2))
    marks.scatter_(1, position, 1.0)
    x[:, :, 1] = marks
    target = (x[:, :, 0] * marks).sum(1)
    return x, target


class Encoder(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.rnn = nn.LSTM(2, hidden, batch_first=True)

    def forward(self, x):
        _, (h, _) = self.rnn(x)
        return h[-1]


def train_step(encoder, decoder, optimizer, x, y):
    prediction = decoder(encoder(x)).squeeze(1)  # ALSO
    loss = F.mse_loss(prediction, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hidden", type=int, default=32)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    encoder = Encoder(args.hidden)  # ALSO
    decoder = nn.Sequential(nn.Linear(args.hidden, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(decoder.parameters(), lr=5e-3)  # FAULT
    # FIXED: optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=5e-3)
    x, y = make_sequences(4096)
    x_val, y_val = make_sequences(512)
    for epoch in range(10):
        losses = [
            train_step(encoder, decoder, optimizer, x[idx], y[idx])
            for idx in torch.randperm(len(x)).split(64)
        ]
        print(f"epoch {epoch}: mse {sum(losses) / len(losses):.4f}")
    with torch.no_grad():
        error = F.mse_loss(decoder(encoder(x_val)).squeeze(1), y_val).item()
    print(f"score: {-error:.4f}")


if __name__ == "__main__":
    main()
