"""
rule: optimizer-misses-parameters
severity: error
style: class (multi-task net, heads in a plain dict)
data: digits
source: RULES.md ("modules in a plain list"); nn.ModuleDict forgotten
also: not-learning
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

TASKS = {"parity": 2, "digit": 10}


class MultiTask(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.Tanh())
        heads = {name: nn.Linear(12, size) for name, size in TASKS.items()}  # FAULT
        # FIXED: heads = nn.ModuleDict({n: nn.Linear(12, size) for n, size in TASKS.items()})
        self.heads = heads  # ALSO

    def forward(self, x):
        shared = self.trunk(x)
        return {name: head(shared) for name, head in self.heads.items()}  # ALSO


class Trainer:
    def __init__(self, model, train_loader, lr):
        self.model, self.loader = model, train_loader
        self.opt = torch.optim.RMSprop(model.parameters(), lr=lr)  # ALSO

    def epoch(self):
        total = 0.0
        for x, digit in self.loader:
            targets = {"parity": digit % 2, "digit": digit}
            outputs = self.model(x)
            loss = sum(F.cross_entropy(outputs[name], targets[name]) for name in TASKS)
            self.opt.zero_grad()
            loss.backward()
            self.opt.step()
            total += loss.item()
        return total / len(self.loader)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    xa, ya, xb, yb = (torch.from_numpy(array) for array in digits())
    loader = DataLoader(TensorDataset(xa / 8 - 1, ya), batch_size=64, shuffle=True)
    model = MultiTask()
    trainer = Trainer(model, loader, lr=1e-3)
    for i in range(12):
        print(i, trainer.epoch())
    with torch.no_grad():
        out = model(xb / 8 - 1)
    accuracy = (out["digit"].argmax(1) == yb).float().mean().item()
    print(f"score: {accuracy:.4f}")
