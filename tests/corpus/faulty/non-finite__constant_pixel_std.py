"""
rule: non-finite
severity: error
style: Lightning-like
data: digits
source: RULES.md (standardised pixel by pixel; the corners of all digits are empty, so 0 / 0)
also: not-learning, collapsed-output
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class DigitsData:
    def __init__(self, batch_size=64):
        x, y, xt, yt = digits()
        x, xt = x.reshape(-1, 64), xt.reshape(-1, 64)
        mean, std = x.mean(0), x.std(0)
        x = (x - mean) / std  # FAULT
        # FIXED: x = (x - mean) / (std + 1e-3)
        xt = (xt - mean) / std  # FAULT
        # FIXED: xt = (xt - mean) / (std + 1e-3)
        self.train = TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
        self.val = TensorDataset(torch.from_numpy(xt), torch.from_numpy(yt))
        self.batch_size = batch_size

    def train_dataloader(self):
        return DataLoader(self.train, self.batch_size, shuffle=True)  # ALSO

    def val_dataloader(self):
        return DataLoader(self.val, self.batch_size)


class DigitsModule(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))

    def training_step(self, batch, _):
        x, y = batch
        return F.cross_entropy(self.layers(x), y)  # ALSO

    def validation_step(self, batch, _):
        x, y = batch
        return (self.layers(x).argmax(1) == y).float().sum().item()

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


def trainer_fit(module, data, epochs):
    optimizer = module.configure_optimizers()
    for _ in range(epochs):
        for i, batch in enumerate(data.train_dataloader()):
            optimizer.zero_grad()
            loss = module.training_step(batch, i)  # ALSO
            loss.backward()
            optimizer.step()
    module.eval()
    with torch.no_grad():
        right = sum(module.validation_step(b, i) for i, b in enumerate(data.val_dataloader()))
    return right / len(data.val)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
print("score:", trainer_fit(DigitsModule(), DigitsData(), epochs=6))
