"""
healthy: yes
style: U-shaped net with a skip connection, cross entropy over pixels
data: generated (circles and squares)
source: the usual dense prediction
trap: labels of four dimensions less one; classes of very different size; transposed convolution
"""

import argparse

import torch
from torch import nn


def scenes(n, size=24):
    yy, xx = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    images, masks = torch.randn(n, 1, size, size) * 0.3, torch.zeros(n, size, size).long()
    for i in range(n):
        for kind in (1, 2):
            cy, cx = torch.randint(6, size - 6, (2,)).tolist()
            r = int(torch.randint(3, 6, ()))
            dy, dx = (yy - cy).abs(), (xx - cx).abs()
            shape = dy**2 + dx**2 <= r**2 if kind == 1 else torch.maximum(dy, dx) <= r
            masks[i][shape] = kind
            images[i, 0][shape] += 1.0 if kind == 1 else -1.0
    return images, masks


def double_conv(c_in, c_out):
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(True),
        nn.Conv2d(c_out, c_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(True),
    )


class UNet(nn.Module):
    def __init__(self, num_classes=3):
        super().__init__()
        self.down1, self.down2 = double_conv(1, 8), double_conv(8, 16)
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.merge = double_conv(16, 8)
        self.out = nn.Conv2d(8, num_classes, 1)

    def forward(self, x):
        skip = self.down1(x)
        x = self.up(self.down2(self.pool(skip)))
        return self.out(self.merge(torch.cat([skip, x], dim=1)))


def mean_iou(pred, mask):
    ious = []
    for c in range(3):
        both, any_ = ((pred == c) & (mask == c)).sum(), ((pred == c) | (mask == c)).sum()
        ious.append((both / any_).item())
    return sum(ious) / 3


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    images, masks = scenes(400)
    val_images, val_masks = scenes(100)
    model = UNet()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(5):
        model.train()
        for idx in torch.randperm(len(images)).split(20):
            loss = criterion(model(images[idx]), masks[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            iou = mean_iou(model(val_images).argmax(1), val_masks)
        print(f"epoch {epoch}: loss {loss.item():.3f} IoU {iou:.3f}")
    print(f"score: {iou:.4f}")
