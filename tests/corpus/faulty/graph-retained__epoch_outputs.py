"""
rule: graph-retained
severity: warning
style: Lightning-like (training_step results collected for the epoch's end)
data: digits
source: TRI-ML/packnet-sfm PR#51 (detach before appending to the training outputs);
    the score can't show it
proof: logic
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class DigitModule(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(8, 48, batch_first=True)
        self.head = nn.Linear(48, 10)
        self.training_outputs = []

    def forward(self, x):
        _, hidden = self.rnn(x.squeeze(1))
        return self.head(hidden[-1])

    def training_step(self, batch):
        x, y = batch
        logits = self(x)
        loss = F.cross_entropy(logits, y)  # ALSO
        self.training_outputs.append({"loss": loss, "logits": logits, "y": y})  # FAULT
        # FIXED: logits = logits.detach()
        # FIXED: self.training_outputs.append({"loss": loss.item(), "logits": logits, "y": y})
        return loss

    def on_train_epoch_end(self, epoch):
        logits = torch.cat([out["logits"] for out in self.training_outputs])
        y = torch.cat([out["y"] for out in self.training_outputs])
        mean = sum(float(out["loss"]) for out in self.training_outputs) / len(self.training_outputs)
        accuracy = (logits.argmax(1) == y).float().mean().item()
        print(f"epoch {epoch}: loss {mean:.4f} train accuracy {accuracy:.4f}")
        self.training_outputs.clear()

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=5e-3)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xv, yv = (torch.from_numpy(a) for a in digits())
module = DigitModule()
optimizer = module.configure_optimizers()
for epoch in range(4):
    for batch in DataLoader(TensorDataset(x / 16, y), batch_size=16, shuffle=True):
        optimizer.zero_grad()
        module.training_step(batch).backward()
        optimizer.step()
    module.on_train_epoch_end(epoch)
with torch.no_grad():
    print(f"score: {(module(xv / 16).argmax(1) == yv).float().mean():.4f}")
