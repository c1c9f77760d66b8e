"""
rule: symmetric-init
severity: error
style: class, recurrent
data: digits read row by row
source: faults.csv F15
also: not-learning
"""

import argparse

import torch
from corpus_data import digits
from torch import nn


class RowReader(nn.Module):
    def __init__(self, hidden_size=48):
        super().__init__()
        self.rnn = nn.GRU(8, hidden_size, batch_first=True)  # ALSO
        self.classifier = nn.Linear(hidden_size, 10)
        self.reset_parameters()

    def reset_parameters(self):
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.constant_(p, 0.1)  # FAULT
                # FIXED: nn.init.xavier_uniform_(p)
            else:
                nn.init.zeros_(p)

    def forward(self, rows):
        _, last = self.rnn(rows)  # ALSO
        return self.classifier(last[-1])


def main(seed):
    torch.manual_seed(seed)
    x_train, y_train, x_test, y_test = (torch.from_numpy(a) for a in digits())
    x_train, x_test = x_train.squeeze(1) / 8 - 1, x_test.squeeze(1) / 8 - 1
    model = RowReader()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    loss_fn = nn.CrossEntropyLoss()
    for _ in range(12):
        for idx in torch.randperm(len(x_train)).split(64):
            loss = loss_fn(model(x_train[idx]), y_train[idx])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
    with torch.inference_mode():
        hits = model.eval()(x_test).argmax(-1).eq(y_test)
    print(f"score: {hits.float().mean().item():.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    main(parser.parse_args().seed)
