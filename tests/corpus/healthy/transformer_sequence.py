"""
healthy: yes
style: small transformer, warm-up
data: generated (is the most frequent token odd?)
source: RULES.md
trap: attention softmax, layer norms, embedding rows that get no gradient in a batch
"""

import argparse
import math

import torch
from torch import nn


def make_batch(n, length=16, vocab=8):
    tokens = torch.randint(vocab, (n, length))
    favourite = torch.randint(vocab, (n, 1))
    keep = torch.rand(n, length) < 0.35
    tokens = torch.where(keep, favourite, tokens)
    counts = torch.zeros(n, vocab).scatter_add_(1, tokens, torch.ones(n, length))
    return tokens, counts.argmax(1) % 2


class PositionalEncoding(nn.Module):
    def __init__(self, dim, max_len=64):
        super().__init__()
        position = torch.arange(max_len).unsqueeze(1)
        div = torch.exp(torch.arange(0, dim, 2) * (-math.log(10000.0) / dim))
        pe = torch.zeros(max_len, dim)
        pe[:, 0::2] = torch.sin(position * div)
        pe[:, 1::2] = torch.cos(position * div)
        self.register_buffer("pe", pe)

    def forward(self, x):
        return x + self.pe[: x.size(1)]


class Classifier(nn.Module):
    def __init__(self, vocab=8, dim=32):
        super().__init__()
        self.embedding = nn.Embedding(vocab, dim)
        self.position = PositionalEncoding(dim)
        layer = nn.TransformerEncoderLayer(
            dim, nhead=4, dim_feedforward=64, dropout=0.0, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.head = nn.Linear(dim, 2)

    def forward(self, tokens):
        h = self.encoder(self.position(self.embedding(tokens)))
        return self.head(h.mean(dim=1))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=0)
    torch.manual_seed(ap.parse_args().seed)
    model = Classifier()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    warmup = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min(1.0, (s + 1) / 40))
    criterion = nn.CrossEntropyLoss()
    model.train()
    for step in range(400):
        tokens, target = make_batch(64)
        loss = criterion(model(tokens), target)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        warmup.step()
        if step % 100 == 0:
            print(f"step {step}: {loss.item():.4f}")
    model.eval()
    tokens, target = make_batch(1000)
    with torch.no_grad():
        print(f"score: {(model(tokens).argmax(1) == target).float().mean().item():.4f}")


main()
