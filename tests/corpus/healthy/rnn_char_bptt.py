"""
healthy: yes
style: truncated back-propagation through time, hidden state carried over and detached
data: generated (a cyclic language of short words)
source: the shape of PyTorch's word language model example
trap: batches in order, never shuffled; a hidden state reused; perplexity that can't reach 1
"""

import argparse

import torch
import torch.nn as nn

WORDS = ["cat", "dog", "bird", "fish", "horse", "cow"]
ALPHABET = sorted(set("".join(WORDS)) | {" "})


def make_text(n_words, generator):
    text, word = [], 0
    for _ in range(n_words):
        text += [*list(WORDS[word]), " "]
        word = (word + int(torch.randint(1, 3, (1,), generator=generator))) % len(WORDS)
    return torch.tensor([ALPHABET.index(c) for c in text])


def batchify(data, bsz):
    nbatch = data.size(0) // bsz
    return data[: nbatch * bsz].view(bsz, -1).t().contiguous()


class RNNModel(nn.Module):
    def __init__(self, ntoken, ninp=16, nhid=48):
        super().__init__()
        self.encoder = nn.Embedding(ntoken, ninp)
        self.rnn = nn.GRU(ninp, nhid)
        self.decoder = nn.Linear(nhid, ntoken)
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)
        nn.init.uniform_(self.decoder.weight, -0.1, 0.1)

    def forward(self, tokens, hidden):
        output, hidden = self.rnn(self.encoder(tokens), hidden)
        return self.decoder(output).view(-1, len(ALPHABET)), hidden


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    train_data = batchify(make_text(4000, generator), 16)
    val_data = batchify(make_text(600, generator), 16)
    model, bptt = RNNModel(len(ALPHABET)), 20
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(4):
        model.train()
        hidden = torch.zeros(1, 16, 48)
        for i in range(0, train_data.size(0) - 1, bptt):
            seq_len = min(bptt, len(train_data) - 1 - i)
            data = train_data[i : i + seq_len]
            targets = train_data[i + 1 : i + 1 + seq_len].view(-1)
            hidden = hidden.detach()
            model.zero_grad()
            output, hidden = model(data, hidden)
            loss = criterion(output, targets)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.3f}")
    model.eval()
    with torch.no_grad():
        output, _ = model(val_data[:-1], torch.zeros(1, 16, 48))
        hits = (output.argmax(1) == val_data[1:].view(-1)).float().mean()
    print(f"score: {hits.item():.4f}")


if __name__ == "__main__":
    main()
