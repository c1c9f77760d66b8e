"""
rule: softmax-single-unit
severity: error
style: class, LSTM, hand-written accuracy
data: generated token sequences
source: faults.csv B49
also: no-gradient, not-learning, collapsed-output, output-activation
"""

import argparse

import torch
from torch import nn, optim


class SentimentLSTM(nn.Module):
    def __init__(self, vocab_size=50, embedding_dim=16, hidden_dim=24):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        self.lstm = nn.LSTM(embedding_dim, hidden_dim, batch_first=True)
        self.fc = nn.Linear(hidden_dim, 1)
        self.out = nn.Softmax(dim=-1)  # FAULT
        # FIXED: self.out = nn.Sigmoid()

    def forward(self, text):
        _, (hidden, _) = self.lstm(self.embedding(text))
        return self.out(self.fc(hidden[-1])).squeeze(-1)  # ALSO


def binary_accuracy(preds, y):
    return (torch.round(preds) == y).float().mean().item()


def reviews(n):
    text = torch.randint(0, 50, (n, 14))
    good, bad = (text < 10).sum(1), (text > 39).sum(1)
    return text, (good > bad).float()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
text, labels = reviews(2000)
text_val, labels_val = reviews(500)

model = SentimentLSTM()
optimizer = optim.Adam(model.parameters(), lr=0.01)
criterion = nn.BCELoss()
for epoch in range(6):
    model.train()
    epoch_loss = 0.0
    for start in range(0, len(text), 50):
        optimizer.zero_grad()
        predictions = model(text[start : start + 50])  # ALSO
        loss = criterion(predictions, labels[start : start + 50])  # ALSO
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item()
    print(f"| Epoch: {epoch + 1:02} | Train Loss: {epoch_loss / 40:.3f}")
model.eval()
with torch.no_grad():
    print("score:", binary_accuracy(model(text_val), labels_val))
