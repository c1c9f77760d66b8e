"""
healthy: yes
style: EmbeddingBag with sparse gradients, two optimizers for one model
data: generated (bags of words)
source: the shape of PyTorch's text classification tutorial
trap: most rows get no gradient in a batch; sparse gradients; SparseAdam
"""

import argparse

import torch
from torch import nn

VOCAB, TOPICS = 500, 4


def documents(n, topic_words):
    topics = torch.randint(TOPICS, (n,))
    words, offsets = [], [0]
    for t in topics.tolist():
        length = int(torch.randint(6, 20, ()))
        own = topic_words[t][torch.randint(40, (length,))]
        other = torch.randint(VOCAB, (length,))
        words.append(torch.where(torch.rand(length) < 0.45, own, other))
        offsets.append(offsets[-1] + length)
    return torch.cat(words), torch.tensor(offsets[:-1]), topics


class TextModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.EmbeddingBag(VOCAB, 16, sparse=True)
        self.fc = nn.Linear(16, TOPICS)
        nn.init.uniform_(self.embedding.weight, -0.5, 0.5)

    def forward(self, text, offsets):
        return self.fc(self.embedding(text, offsets))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    topic_words = torch.stack([torch.randperm(VOCAB)[:40] for _ in range(TOPICS)])
    model = TextModel()
    sparse = torch.optim.SparseAdam(list(model.embedding.parameters()), lr=2e-2)
    dense = torch.optim.Adam(model.fc.parameters(), lr=1e-2)
    criterion = nn.CrossEntropyLoss()
    for step in range(250):
        text, offsets, label = documents(32, topic_words)
        loss = criterion(model(text, offsets), label)
        sparse.zero_grad()
        dense.zero_grad()
        loss.backward()
        sparse.step()
        dense.step()
        if step % 50 == 0:
            print(f"step {step} loss {loss.item():.3f}")
    with torch.no_grad():
        text, offsets, label = documents(500, topic_words)
        score = (model(text, offsets).argmax(1) == label).float().mean().item()
    print(f"score: {score:.4f}")


main()
