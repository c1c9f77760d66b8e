"""
healthy: yes
style: plain loop, deep self-normalising net
data: digits
source: Klambauer et al. 2017
trap: ten layers without any norm; LeCun initialisation; AlphaDropout
"""

import argparse

import torch
from corpus_data import digits
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

x, y, xv, yv = map(torch.tensor, digits())
m, s = x.mean(), x.std()
x, xv = ((x - m) / s).flatten(1), ((xv - m) / s).flatten(1)

layers, width = [], 64
for _ in range(8):
    layers += [nn.Linear(64, width), nn.SELU(), nn.AlphaDropout(0.02)]
model = nn.Sequential(*layers, nn.Linear(width, 10))
for p in model.modules():
    if isinstance(p, nn.Linear):
        nn.init.kaiming_normal_(p.weight, nonlinearity="linear")
        nn.init.zeros_(p.bias)

opt = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
criterion = nn.CrossEntropyLoss()
for epoch in range(10):
    model.train()
    for batch in torch.randperm(len(x)).split(64):
        opt.zero_grad()
        loss = criterion(model(x[batch]), y[batch])
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        logits = model(xv)
        print(epoch, f"{criterion(logits, yv).item():.3f}")
accuracy = (logits.argmax(1) == yv).float().mean().item()
print(f"score: {accuracy:.4f}")
