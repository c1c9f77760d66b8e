"""
healthy: yes
style: features computed once under no_grad, then a linear probe
data: fashion
source: linear evaluation of a fixed encoder
trap: a whole network that never gets a gradient; a single linear layer as the model
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

x, y, xt, yt = fashion(2500, 500)
x, xt = torch.tensor(x) / 255.0 - 0.29, torch.tensor(xt) / 255.0 - 0.29
y, yt = torch.tensor(y), torch.tensor(yt)

encoder = nn.Sequential(
    nn.Conv2d(1, 32, 5, stride=2),
    nn.ReLU(),
    nn.Conv2d(32, 64, 3, stride=2),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(3),
    nn.Flatten(),
)
encoder.requires_grad_(False).eval()


@torch.no_grad()
def extract(images):
    return torch.cat([encoder(chunk) for chunk in images.split(250)])


train_features, test_features = extract(x), extract(xt)
mean, std = train_features.mean(0), train_features.std(0) + 1e-3
train_features, test_features = (train_features - mean) / std, (test_features - mean) / std

head = nn.Linear(train_features.shape[1], 10)
optimizer = torch.optim.Adam(head.parameters(), lr=3e-3, weight_decay=1e-3)
for _epoch in range(10):
    for idx in torch.randperm(len(y)).split(64):
        loss = nn.functional.cross_entropy(head(train_features[idx]), y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
with torch.no_grad():
    score = (head(test_features).argmax(1) == yt).float().mean().item()
print(f"score: {score:.4f}")
