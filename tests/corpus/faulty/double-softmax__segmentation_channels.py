"""
rule: double-softmax
severity: error
style: AMP, segmentation
data: generated shapes
source: faults.csv A40, for pixels
also: lr-too-low
"""

import argparse

import torch
from torch import nn


def shapes(n, generator, size=20):
    """Backgrounds, squares and crosses under noise; the mask has three classes."""
    images = torch.randn(n, 1, size, size, generator=generator) * 0.5
    masks = torch.zeros(n, size, size, dtype=torch.long)
    corner = torch.randint(1, size - 8, (n, 4), generator=generator).tolist()
    for k, (r, c, r2, c2) in enumerate(corner):
        masks[k, r : r + 6, c : c + 6] = 1
        masks[k, r2 + 2 : r2 + 5, c2 : c2 + 7] = 2
        masks[k, r2 : r2 + 7, c2 + 2 : c2 + 5] = 2
    images[:, 0] += masks.float() - 0.4
    return images, masks


class FCN(nn.Module):
    def __init__(self, n_classes=3, width=16):
        super().__init__()
        self.encode = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        self.decode = nn.Conv2d(width, n_classes, 1)

    def forward(self, x):
        return self.decode(self.encode(x)).softmax(dim=1)  # FAULT
        # FIXED: return self.decode(self.encode(x))


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
seed = parser.parse_args().seed
torch.manual_seed(seed)
x, m = shapes(400, torch.Generator().manual_seed(seed))

net = FCN()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
for epoch in range(4):
    net.train()
    for idx in torch.randperm(320).split(20):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = nn.functional.cross_entropy(net(x[idx]), m[idx])  # ALSO
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

net.eval()
with torch.no_grad():
    prediction = net(x[320:]).argmax(1)
iou = []
for k in (1, 2):
    a, b = prediction == k, m[320:] == k
    iou.append(((a & b).sum() / (a | b).sum()).item())
print(f"score: {sum(iou) / 2:.4f}")
