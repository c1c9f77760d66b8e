"""
rule: non-finite
severity: error
style: class, attention over padded sequences
data: generated sets of tokens, some of them empty
source: RULES.md (softmax over a row of minus infinities)
also: not-learning, collapsed-output
"""

import argparse

import torch
import torch.nn.functional as F
from torch import nn

VOCABULARY, LENGTH, PAD = 30, 12, 0


class AttentionPooling(nn.Module):
    def __init__(self, dim=32, classes=3):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, dim, padding_idx=PAD)
        self.score = nn.Linear(dim, 1)
        self.head = nn.Linear(dim, classes)

    def forward(self, tokens):
        h = torch.tanh(self.embed(tokens))
        scores = self.score(h).squeeze(-1)
        scores = scores.masked_fill(tokens == PAD, float("-inf"))  # FAULT
        # FIXED: scores = scores.masked_fill(tokens == PAD, -1e4)
        weights = F.softmax(scores, dim=1)  # ALSO
        return self.head((weights.unsqueeze(-1) * h).sum(1))


def make(n, generator):
    """The class is how often tokens under 10 occur: rarely, sometimes, mostly."""
    tokens = torch.randint(1, VOCABULARY, (n, LENGTH), generator=generator)
    small = torch.rand(n, 1, generator=generator)
    tokens = torch.where(torch.rand(n, LENGTH, generator=generator) < small, tokens % 9 + 1, tokens)
    lengths = torch.randint(0, LENGTH + 1, (n, 1), generator=generator)
    tokens = tokens.masked_fill(torch.arange(LENGTH) >= lengths, PAD)
    filled = (tokens != PAD).sum(1).clamp(min=1)
    share = ((tokens < 10) & (tokens != PAD)).sum(1) / filled
    return tokens, torch.bucketize(share, torch.tensor([0.45, 0.8]))


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
seed = parser.parse_args().seed
torch.manual_seed(seed)
generator = torch.Generator().manual_seed(seed)
x, y = make(2000, generator)
xv, yv = make(500, generator)

model = AttentionPooling()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(8):
    for idx in torch.randperm(len(x)).split(50):
        loss = F.cross_entropy(model(x[idx]), y[idx])  # ALSO
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
with torch.no_grad():
    print("score:", (model(xv).argmax(1) == yv).float().mean().item())
