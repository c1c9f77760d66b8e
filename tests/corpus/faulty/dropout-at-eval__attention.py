"""
rule: dropout-at-eval
severity: warning
style: class (small transformer, scaled_dot_product_attention)
data: digits
source: pytorch/pytorch#124464 (SDPA does not switch off dropout during evaluation);
    attention averages over rows, so answers differ
    from call to call while the mean score hardly moves
also: train-mode-evaluation
proof: logic
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class SelfAttention(nn.Module):
    def __init__(self, dim, heads, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        # FIXED: p = self.dropout if self.training else 0.0
        out = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout)  # FAULT
        # FIXED: out = F.scaled_dot_product_attention(q, k, v, dropout_p=p)
        return self.proj(out.transpose(1, 2).reshape(b, n, d))


class Block(nn.Module):
    def __init__(self, dim, heads, dropout):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, heads, dropout)
        self.mlp = nn.Sequential(nn.Linear(dim, 64), nn.GELU(), nn.Linear(64, dim))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class RowTransformer(nn.Module):
    def __init__(self, dim=32, heads=4, depth=3, dropout=0.6):
        super().__init__()
        self.embed = nn.Linear(8, dim)
        self.position = nn.Parameter(torch.randn(1, 8, dim) * 0.02)
        self.blocks = nn.Sequential(*(Block(dim, heads, dropout) for _ in range(depth)))
        self.head = nn.Linear(dim, 10)

    def forward(self, x):
        x = self.embed(x.squeeze(1)) + self.position
        return self.head(self.blocks(x).mean(1))


def main(seed):
    torch.manual_seed(seed)
    x, y, xv, yv = (torch.from_numpy(a) for a in digits())
    train_dl = DataLoader(TensorDataset(x / 16, y), batch_size=32, shuffle=True)
    valid_dl = DataLoader(TensorDataset(xv / 16, yv), batch_size=60)
    model = RowTransformer()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for epoch in range(10):
        model.train()
        for xb, yb in train_dl:
            loss = F.cross_entropy(model(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            val_loss = sum(F.cross_entropy(model(xb), yb).item() for xb, yb in valid_dl)
        print(f"epoch {epoch}: loss {loss.item():.3f} val {val_loss / len(valid_dl):.3f}")
    print(f"score: {-val_loss / len(valid_dl):.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    main(parser.parse_args().seed)
