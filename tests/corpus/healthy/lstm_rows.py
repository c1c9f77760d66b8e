"""
healthy: yes
style: recurrent classifier
data: digits as sequences of eight rows
source: the shape of PyTorch's MNIST-RNN example
trap: LSTM gates (sigmoid, tanh) inside; only the last time step is used; gradient clipping
"""

import argparse

import torch
from corpus_data import digits
from torch import nn


class RowLSTM(nn.Module):
    def __init__(self, hidden=48):
        super().__init__()
        self.rnn = nn.LSTM(input_size=8, hidden_size=hidden, batch_first=True)
        self.dropout = nn.Dropout(0.2)
        self.out = nn.Linear(hidden, 10)

    def forward(self, x):
        r_out, _ = self.rnn(x)
        return self.out(self.dropout(r_out[:, -1]))


def accuracy(model, x, y):
    model.eval()
    with torch.inference_mode():
        return (model(x).argmax(1) == y).float().mean().item()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=12)
args = parser.parse_args()
torch.manual_seed(args.seed)

x, y, xt, yt = (torch.tensor(a) for a in digits())
x, xt = (x.squeeze(1) - 4.9) / 6, (xt.squeeze(1) - 4.9) / 6
model = RowLSTM()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
loss_func = nn.CrossEntropyLoss()
for epoch in range(args.epochs):
    model.train()
    for idx in torch.randperm(len(x)).split(64):
        optimizer.zero_grad()
        loss = loss_func(model(x[idx]), y[idx])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        optimizer.step()
    print(f"{epoch} loss {loss.item():.3f} val {accuracy(model, xt, yt):.3f}")
print(f"score: {accuracy(model, xt, yt):.4f}")
