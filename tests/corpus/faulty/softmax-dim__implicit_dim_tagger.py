"""
rule: softmax-dim
severity: error
style: class, LSTM tagger
data: generated bracket depths
source: RULES.md (LogSoftmax without dim takes dimension 0 of a three-dimensional tensor)
also: loss-at-init, loss-input, not-learning
"""

import argparse

import torch
from torch import nn


class Tagger(nn.Module):
    def __init__(self, vocab=3, tags=4, hidden=24):
        super().__init__()
        self.embedding = nn.Embedding(vocab, 8)
        self.lstm = nn.LSTM(8, hidden, batch_first=True, bidirectional=True)
        self.hidden2tag = nn.Linear(2 * hidden, tags)
        self.softmax = nn.LogSoftmax()  # FAULT
        # FIXED: self.softmax = nn.LogSoftmax(dim=-1)

    def forward(self, sentences):
        h, _ = self.lstm(self.embedding(sentences))
        return self.softmax(self.hidden2tag(h))  # ALSO


def brackets(n, length, generator):
    tokens = torch.randint(0, 3, (n, length), generator=generator)
    change = torch.tensor([0, 1, -1])[tokens]
    depth, current = torch.zeros_like(tokens), torch.zeros(n, dtype=torch.long)
    for t in range(length):
        current = (current + change[:, t]).clamp(0, 3)
        depth[:, t] = current
    return tokens, depth


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
seed = parser.parse_args().seed
torch.manual_seed(seed)
generator = torch.Generator().manual_seed(seed)
x, y = brackets(1000, 15, generator)
x_val, y_val = brackets(100, 15, generator)

model = Tagger()
loss_function = nn.NLLLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(8):
    for idx in torch.randperm(len(x)).split(25):
        model.zero_grad()
        scores = model(x[idx])  # ALSO
        loss = loss_function(scores.reshape(-1, 4), y[idx].reshape(-1))  # ALSO
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

right = 0
with torch.no_grad():
    for sentence, depths in zip(x_val, y_val):
        right += (model(sentence.unsqueeze(0)).argmax(-1)[0] == depths).float().mean().item()
print("score:", right / len(x_val))
