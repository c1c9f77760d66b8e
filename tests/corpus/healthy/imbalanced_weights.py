"""
healthy: yes
style: class weights in the loss, balanced accuracy
data: digits, the first three classes thinned out to a tenth
source: the usual remedy
trap: classes of very different size; a loss at the start that is not the mean of ln C
"""

import argparse

import numpy as np
import torch
from corpus_data import digits
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
seed = parser.parse_args().seed
torch.manual_seed(seed)
rng = np.random.default_rng(seed)

x, y, xt, yt = digits()
keep = (y > 2) | (rng.random(len(y)) < 0.15)
x, y = torch.tensor(x[keep]) / 16, torch.tensor(y[keep])
xt, yt = torch.tensor(xt) / 16, torch.tensor(yt)
counts = torch.bincount(y, minlength=10)
print("class sizes", counts.tolist())

model = nn.Sequential(nn.Flatten(), nn.Linear(64, 80), nn.ReLU(), nn.Linear(80, 10))
criterion = nn.CrossEntropyLoss(weight=counts.sum() / (10.0 * counts))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(15):
    model.train()
    losses = []
    for idx in torch.randperm(len(x)).split(64):
        optimizer.zero_grad()
        loss = criterion(model(x[idx]), y[idx])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(epoch, f"{np.mean(losses):.4f}")
model.eval()
with torch.no_grad():
    pred = model(xt).argmax(1)
recall = [(pred[yt == c] == c).float().mean().item() for c in range(10)]
print("recall", " ".join(f"{r:.2f}" for r in recall))
print(f"score: {np.mean(recall):.4f}")
