"""
rule: saturated-activation
severity: error
style: raw parameters, recurrent
data: digits read row by row
source: faults.csv B52, in a recurrent network
also: init-scale, exploding-gradient
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

x, y, xt, yt = (torch.from_numpy(a) for a in digits())
x, xt = x.squeeze(1) / 8 - 1, xt.squeeze(1) / 8 - 1

H = 96
Wx = torch.randn(8, H)  # FAULT
# FIXED: Wx = torch.randn(8, H) / 8**0.5
Wh = torch.randn(H, H)  # FAULT
# FIXED: Wh = torch.randn(H, H) / H**0.5
Wo = torch.randn(H, 10) * 0.01
bh, bo = torch.zeros(H), torch.zeros(10)
params = [p.requires_grad_() for p in (Wx, Wh, Wo, bh, bo)]


def rnn(rows):
    h = torch.zeros(len(rows), H)
    for t in range(rows.shape[1]):
        h = torch.tanh(rows[:, t] @ Wx + h @ Wh + bh)  # ALSO
    return h @ Wo + bo


optimizer = torch.optim.Adam(params, lr=2e-3)
for epoch in range(6):
    for idx in torch.randperm(len(x)).split(32):
        loss = F.cross_entropy(rnn(x[idx]), y[idx])  # ALSO
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 5.0)
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

with torch.no_grad():
    print("score:", (rnn(xt).argmax(1) == yt).float().mean().item())
