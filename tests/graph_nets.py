"""Networks in plain torch, for the tests of the graph."""

import torch
import torch.nn.functional as F
from torch import nn


class Bottleneck(nn.Module):
    def __init__(self, channels, width, stride):
        super().__init__()
        out = 4 * width
        self.conv1, self.bn1 = nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, out, 1, bias=False), nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or channels != out:
            skip = nn.Conv2d(channels, out, 1, stride, bias=False)
            self.downsample = nn.Sequential(skip, nn.BatchNorm2d(out))

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet50(nn.Module):
    def __init__(self, num_classes=1000):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1, self.relu = nn.BatchNorm2d(64), nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = 64
        for number, depth in enumerate((3, 4, 6, 3)):
            width = 64 * 2**number
            blocks = []
            for place in range(depth):
                blocks.append(Bottleneck(channels, width, 2 if number and not place else 1))
                channels = 4 * width
            setattr(self, f"layer{number + 1}", nn.Sequential(*blocks))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(channels, num_classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(256, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(torch.tanh(self.conv1(x)), 2)
        x = F.max_pool2d(torch.tanh(self.conv2(x)), 2).flatten(1)
        return self.fc3(torch.tanh(self.fc2(torch.tanh(self.fc1(x)))))


class Block(nn.Module):
    """A transformer block, its attention written out."""

    def __init__(self, size=32, heads=4):
        super().__init__()
        self.heads = heads
        self.ln1, self.qkv = nn.LayerNorm(size), nn.Linear(size, 3 * size)
        self.proj, self.ln2 = nn.Linear(size, size), nn.LayerNorm(size)
        self.mlp = nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size))

    def forward(self, x):
        n, t, d = x.shape
        parts = self.qkv(self.ln1(x)).chunk(3, -1)
        q, k, v = (y.view(n, t, self.heads, -1).transpose(1, 2) for y in parts)
        weights = (q @ k.transpose(-2, -1) / (d // self.heads) ** 0.5).softmax(-1)
        x = x + self.proj((weights @ v).transpose(1, 2).reshape(n, t, d))
        return x + self.mlp(self.ln2(x))


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.block, self.head = nn.Embedding(50, 32), Block(), nn.Linear(32, 50)

    def forward(self, words):
        return self.head(self.block(self.embedding(words)))


def sigmoids(depth=20):
    layers = [m for _ in range(depth) for m in (nn.Linear(32, 32), nn.Sigmoid())]
    return nn.Sequential(nn.Sequential(*layers), nn.Linear(32, 10))


def exploding(depth=12):
    layers = nn.Sequential(*[m for _ in range(depth) for m in (nn.Linear(32, 32), nn.ReLU())])
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.8)
    return nn.Sequential(layers, nn.Linear(32, 10))


class Twice(nn.Module):
    """One module called twice with another between, and a buffer that counts."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.act = nn.Linear(8, 8), nn.Linear(8, 8), nn.ReLU()
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x):
        return self.norm(self.act(self.b(self.act(self.a(x)))))


class Nan(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x):
        return torch.log(-self.fc(x).abs() - 1)


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(4, 6), nn.Linear(5, 6)

    def forward(self, a, b):
        return {"scores": self.left(a) + self.right(b)}


def nothing():
    return 3


class Constant(nn.Module):
    def forward(self, x):
        return x.detach()


def plain(depth, draw=None, activation=nn.ReLU, width=64):
    layers = [m for _ in range(depth) for m in (nn.Linear(width, width), activation())]
    model = nn.Sequential(*layers, nn.Linear(width, 10))
    for layer in model:
        if draw is not None and isinstance(layer, nn.Linear):
            draw(layer.weight)
            nn.init.zeros_(layer.bias)
    return model


def convolutions(depth, norm, width=16):
    layers, channels = [], 3
    for _ in range(depth):
        layers += [nn.Conv2d(channels, width, 3, padding=1), norm(width), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


class Residual(nn.Module):
    """Blocks x + scale * branch(x), as with zero-started norms, layer scales and no norm at all."""

    def __init__(self, scale, norm, depth=8, width=32, gain=1.0):
        super().__init__()
        self.stem, self.head = nn.Linear(width, width), nn.Linear(width, 10)
        self.scale = nn.Parameter(torch.full((width,), float(scale)))
        self.branches = nn.ModuleList()
        for _ in range(depth):
            inner, outer = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
            for layer in (inner, outer):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                layer.weight.data.mul_(gain)
            self.branches.append(nn.Sequential(norm(width), inner, nn.ReLU(), outer))

    def forward(self, x):
        x = self.stem(x)
        for branch in self.branches:
            x = x + self.scale * branch(x)
        return self.head(x)


class SmallWords(Words):
    """Of std 0.02 throughout, as GPT-2."""

    def __init__(self):
        super().__init__()
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(50, 16), nn.Linear(32, 5)
        self.memory = nn.LSTM(16, 32, batch_first=True)

    def forward(self, words):
        return self.head(self.memory(self.embedding(words))[0][:, -1])
