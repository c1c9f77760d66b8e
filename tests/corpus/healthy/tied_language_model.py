"""
healthy: yes
style: decoder-only transformer with tied embeddings, cosine schedule with warm-up per step
data: generated (sums written as text)
source: the shape of nanoGPT
trap: one tensor is the first and the last layer; lr near 0 at both ends; small initial weights
"""

import argparse
import math

import torch
from torch import nn
from torch.nn import functional as F

CHARS = "0123456789+=."
WIDTH, LENGTH = 48, 6


def get_batch(n):
    a, b = torch.randint(5, (n,)), torch.randint(5, (n,))
    text = [f"{i}+{j}={i + j}." for i, j in zip(a.tolist(), b.tolist())]
    tokens = torch.tensor([[CHARS.index(c) for c in t] for t in text])
    return tokens[:, :-1], tokens[:, 1:]


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.c_attn = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.c_proj = nn.Linear(WIDTH, WIDTH, bias=False)
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
        )

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.c_attn(self.ln_1(x)).split(C, dim=2)
        q, k, v = (t.view(B, T, 4, C // 4).transpose(1, 2) for t in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).reshape(B, T, C))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(len(CHARS), WIDTH)
        self.wpe = nn.Embedding(LENGTH, WIDTH)
        self.h = nn.ModuleList([Block(), Block()])
        self.ln_f = nn.LayerNorm(WIDTH)
        self.lm_head = nn.Linear(WIDTH, len(CHARS), bias=False)
        self.apply(self._init_weights)
        self.lm_head.weight = self.wte.weight

    def _init_weights(self, m):
        if isinstance(m, (nn.Linear, nn.Embedding)):
            nn.init.normal_(m.weight, std=0.02)
        if isinstance(m, nn.Linear) and m.bias is not None:
            nn.init.zeros_(m.bias)

    def forward(self, idx, targets=None):
        x = self.wte(idx) + self.wpe(torch.arange(idx.size(1)))
        for block in self.h:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.view(-1, logits.size(-1)), targets.reshape(-1))


def get_lr(it, peak=3e-3, warmup=30, total=400):
    if it < warmup:
        return peak * (it + 1) / (warmup + 1)
    return peak * (0.1 + 0.45 * (1 + math.cos(math.pi * (it - warmup) / (total - warmup))))


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
model = GPT()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.95), weight_decay=0.1)
for it in range(400):
    for group in optimizer.param_groups:
        group["lr"] = get_lr(it)
    X, Y = get_batch(64)
    _, loss = model(X, Y)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if it % 100 == 0:
        print(f"iter {it}: loss {loss.item():.4f}")
model.eval()
with torch.no_grad():
    X, Y = get_batch(500)
    logits, _ = model(X)
answer = (logits[:, 3].argmax(-1) == Y[:, 3]).float().mean().item()
print(f"score: {answer:.4f}")
