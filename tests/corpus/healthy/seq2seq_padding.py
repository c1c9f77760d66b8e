"""
healthy: yes
style: encoder and decoder with teacher forcing, padding
data: generated (reverse a list of digits)
source: the usual sequence-to-sequence tutorial
trap: targets of -100 that the loss ignores; packed sequences; two optimizers for one loss
"""

import argparse

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

PAD, START, IGNORE = 10, 11, -100


def make_batch(n, longest=5):
    lengths = torch.randint(2, longest + 1, (n,))
    source = torch.full((n, longest), PAD)
    given = torch.full((n, longest), START)
    wanted = torch.full((n, longest), IGNORE)
    for i, length in enumerate(lengths.tolist()):
        word = torch.randint(10, (length,))
        source[i, :length] = word
        wanted[i, :length] = word.flip(0)
        given[i, 1:length] = word.flip(0)[:-1]
    return source, lengths, given, wanted


class Encoder(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.embedding = nn.Embedding(12, 16, padding_idx=PAD)
        self.gru = nn.GRU(16, hidden, batch_first=True)

    def forward(self, tokens, lengths):
        packed = pack_padded_sequence(
            self.embedding(tokens), lengths, batch_first=True, enforce_sorted=False
        )
        return self.gru(packed)[1]


class Decoder(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.embedding = nn.Embedding(12, 16)
        self.gru = nn.GRU(16, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 10)

    def forward(self, tokens, state):
        output, state = self.gru(self.embedding(tokens), state)
        return self.out(output), state


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    encoder, decoder = Encoder(64), Decoder(64)
    encoder_optimizer = torch.optim.Adam(encoder.parameters(), lr=4e-3)
    decoder_optimizer = torch.optim.Adam(decoder.parameters(), lr=4e-3)
    criterion = nn.CrossEntropyLoss(ignore_index=IGNORE)
    for step in range(500):
        source, lengths, given, wanted = make_batch(48)
        encoder_optimizer.zero_grad()
        decoder_optimizer.zero_grad()
        logits, _ = decoder(given, encoder(source, lengths))
        loss = criterion(logits.reshape(-1, 10), wanted.reshape(-1))
        loss.backward()
        encoder_optimizer.step()
        decoder_optimizer.step()
        if step % 100 == 0:
            print(f"{step}: {loss.item():.4f}")
    with torch.no_grad():
        source, lengths, given, wanted = make_batch(400)
        logits, _ = decoder(given, encoder(source, lengths))
    mask = wanted != IGNORE
    print(f"score: {(logits.argmax(-1) == wanted)[mask].float().mean().item():.4f}")


main()
