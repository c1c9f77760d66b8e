"""
healthy: yes
style: skip-gram with negative sampling, logsigmoid written out
data: generated (words of four topics)
source: Mikolov et al. 2013, whose output vectors start at zero
trap: an embedding that is all zero at the start; the other has no gradient at the first step
"""

import argparse

import torch
import torch.nn.functional as F
from torch import nn

VOCAB, TOPICS = 80, 4


class SkipGram(nn.Module):
    def __init__(self, dim=12):
        super().__init__()
        self.center = nn.Embedding(VOCAB, dim)
        self.context = nn.Embedding(VOCAB, dim)
        nn.init.uniform_(self.center.weight, -0.5, 0.5)
        nn.init.zeros_(self.context.weight)

    def forward(self, center, context, negatives):
        v = self.center(center)
        positive = (v * self.context(context)).sum(1)
        negative = torch.bmm(self.context(negatives), v.unsqueeze(2)).squeeze(2)
        return -(F.logsigmoid(positive) + F.logsigmoid(-negative).sum(1)).mean()


def pairs(n):
    center = torch.randint(VOCAB, (n,))
    near = torch.randint(VOCAB // TOPICS, (n,)) * TOPICS + center % TOPICS
    far = torch.randint(VOCAB, (n,))
    return center, torch.where(torch.rand(n) < 0.8, near, far)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
model = SkipGram()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(500):
    center, context = pairs(128)
    loss = model(center, context, torch.randint(VOCAB, (128, 4)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} loss {loss.item():.4f}")
with torch.no_grad():
    vectors = F.normalize(model.center.weight, dim=1)
    similarity = vectors @ vectors.t() - 2 * torch.eye(VOCAB)
    nearest = similarity.argmax(1)
same = (nearest % TOPICS == torch.arange(VOCAB) % TOPICS).float().mean().item()
print(f"score: {same:.4f}")
