"""
healthy: yes
style: a model that returns a dict in training and a tensor in evaluation
data: fashion
source: the shape of GoogLeNet and of torchvision's segmentation models
trap: several losses added up; the auxiliary head unused in evaluation
"""

import argparse
from collections import OrderedDict

import torch
from corpus_data import fashion
from torch import nn


class AuxNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stage1 = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()
        )
        self.stage2 = nn.Sequential(
            nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()
        )
        self.aux = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, 10))
        self.main = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(32 * 49, 10))

    def forward(self, x):
        mid = self.stage1(x)
        out = self.main(self.stage2(mid))
        if not self.training:
            return out
        return OrderedDict(out=out, aux=self.aux(mid))


def criterion(outputs, target):
    losses = {name: nn.functional.cross_entropy(o, target) for name, o in outputs.items()}
    return losses["out"] + 0.4 * losses["aux"]


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
torch.manual_seed(args.seed)
x, y, xt, yt = map(torch.tensor, fashion(2500, 500))
x, xt = (x / 255.0 - 0.286) / 0.353, (xt / 255.0 - 0.286) / 0.353
model = AuxNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9, weight_decay=1e-4)
for epoch in range(4):
    model.train()
    for idx in torch.randperm(len(x)).split(64):
        loss = criterion(model(x[idx]), y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        acc = (model(xt).argmax(1) == yt).float().mean().item()
    print(f"epoch {epoch}: loss {loss.item():.3f} acc {acc:.3f}")
print(f"score: {acc:.4f}")
