"""
rule: train-mode-evaluation
severity: error
style: Lightning-like (one epoch function for both phases, LSTM)
data: digits
source: princeton-vl/pytorch_stacked_hourglass#44 (model.train() for both phases)
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class SequenceClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(8, 64, num_layers=2, dropout=0.5, batch_first=True)
        self.drop = nn.Dropout(0.8)
        self.out = nn.Linear(64, 10)

    def forward(self, x):
        h, _ = self.rnn(x.squeeze(1))
        return self.out(self.drop(h.mean(dim=1)))


class Module:
    def __init__(self):
        self.model = SequenceClassifier()
        self.criterion = nn.CrossEntropyLoss()

    def step(self, batch):
        x, y = batch
        logits = self.model(x)  # ALSO
        return self.criterion(logits, y), (logits.argmax(1) == y).float().sum()

    def configure_optimizers(self):
        return torch.optim.Adam(self.model.parameters(), lr=1e-2)


def run_epoch(module, loader, phase, optimizer):
    module.model.train()  # FAULT
    # FIXED: module.model.train(phase == "train")
    hits, losses = 0.0, 0.0
    with torch.set_grad_enabled(phase == "train"):
        for batch in loader:
            loss, right = module.step(batch)
            if phase == "train":
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            hits += right.item()
            losses += loss.item()
    print(f"{phase:5s} loss {losses / len(loader):.4f} acc {hits / len(loader.dataset):.4f}")
    return hits / len(loader.dataset)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xv, yv = (torch.from_numpy(a) for a in digits())
loaders = {
    "train": DataLoader(TensorDataset(x / 16, y), batch_size=32, shuffle=True),
    "val": DataLoader(TensorDataset(xv / 16, yv), batch_size=120),
}
module = Module()
optimizer = module.configure_optimizers()
for _ in range(12):
    for phase in ("train", "val"):
        accuracy = run_epoch(module, loaders[phase], phase, optimizer)
print(f"score: {accuracy:.4f}")
