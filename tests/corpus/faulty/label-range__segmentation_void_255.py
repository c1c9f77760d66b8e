"""
rule: label-range
severity: error
style: class, segmentation
data: generated discs with a void border
source: RULES.md (the void label 255 without ignore_index)
proof: logic
also: non-finite
"""

import argparse

import torch
import torch.nn as nn


def discs(n, generator, size=24):
    yy, xx = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    centre = torch.randint(6, size - 6, (n, 2, 1, 1), generator=generator)
    radius = torch.randint(3, 6, (n, 1, 1), generator=generator)
    distance = ((yy - centre[:, 0]) ** 2 + (xx - centre[:, 1]) ** 2).float().sqrt()
    masks = (distance < radius).long()
    images = masks.unsqueeze(1) + 0.5 * torch.randn(n, 1, size, size, generator=generator)
    masks[(distance - radius).abs() < 0.7] = 255  # the border belongs to neither
    return images, masks


class TinyUNet(nn.Module):
    def __init__(self, classes=2):
        super().__init__()
        self.down1 = nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.ReLU())
        self.down2 = nn.Sequential(nn.Conv2d(12, 24, 3, stride=2, padding=1), nn.ReLU())
        self.up = nn.ConvTranspose2d(24, 12, 2, stride=2)
        self.out = nn.Conv2d(24, classes, 1)  # ALSO

    def forward(self, x):
        skip = self.down1(x)
        x = torch.relu(self.up(self.down2(skip)))
        return self.out(torch.cat([x, skip], 1))


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
seed = parser.parse_args().seed
torch.manual_seed(seed)
images, masks = discs(400, torch.Generator().manual_seed(seed))

model = TinyUNet()
criterion = nn.CrossEntropyLoss()  # FAULT
# FIXED: criterion = nn.CrossEntropyLoss(ignore_index=255)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(4):
    for idx in torch.randperm(320).split(16):
        optimizer.zero_grad()
        loss = criterion(model(images[idx]), masks[idx])  # ALSO
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
with torch.no_grad():
    known = masks[320:] != 255
    right = (model(images[320:]).argmax(1) == masks[320:])[known]
print("score:", right.float().mean().item())
