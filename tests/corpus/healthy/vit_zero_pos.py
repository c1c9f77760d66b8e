"""
healthy: yes
style: vision transformer written out
data: digits
source: Dosovitskiy et al. 2020; the head starts at zero there too
trap: a position embedding, class token and head that all start at zero
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, dim * 3)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        B, N, C = x.shape
        q, k, v = self.qkv(x).view(B, N, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        attn = (q @ k.transpose(-2, -1)) * (C // self.heads) ** -0.5
        attn = attn.softmax(dim=-1)
        return self.proj((attn @ v).transpose(1, 2).reshape(B, N, C))


class EncoderLayer(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim), Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    def __init__(self, dim=48, depth=2, heads=4):
        super().__init__()
        self.patch_embed = nn.Conv2d(1, dim, kernel_size=2, stride=2)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 17, dim))
        self.layers = nn.ModuleList([EncoderLayer(dim, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, 10)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x):
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x)[:, 0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x_train, y_train, x_test, y_test = map(torch.from_numpy, digits())
    x_train, x_test = (x_train - 4.9) / 6.0, (x_test - 4.9) / 6.0
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=64, shuffle=True)
    vit = ViT()
    optimizer = torch.optim.AdamW(vit.parameters(), lr=2e-3, weight_decay=0.01)
    for epoch in range(16):
        vit.train()
        for images, labels in loader:
            loss = F.cross_entropy(vit(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        vit.eval()
        with torch.no_grad():
            accuracy = (vit(x_test).argmax(dim=1) == y_test).float().mean()
        print(f"epoch {epoch}: {accuracy:.3f}")
    print(f"score: {accuracy.item():.4f}")
