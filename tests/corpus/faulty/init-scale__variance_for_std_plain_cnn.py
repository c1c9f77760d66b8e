"""
rule: init-scale
severity: error
style: class, VGG-like
data: fashion
source: faults.csv B16 (2 / n given where the standard deviation, its root, is meant)
also: not-learning, vanishing-gradient, collapsed-output
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn


class SmallVGG(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        cfg = [16, 16, "M", 32, 32, "M", 48, 48, "M"]
        blocks, channels = [], 1
        for v in cfg:
            if v == "M":
                blocks.append(nn.MaxPool2d(2))
            else:
                blocks += [nn.Conv2d(channels, v, 3, padding=1), nn.ReLU(inplace=True)]  # ALSO
                channels = v
        self.features = nn.Sequential(*blocks)
        self.classifier = nn.Linear(48 * 3 * 3, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, 2.0 / n)  # FAULT
                # FIXED: m.weight.data.normal_(0, (2.0 / n) ** 0.5)
                m.bias.data.zero_()

    def forward(self, x):
        x = self.features(x)  # ALSO
        return self.classifier(torch.flatten(x, 1))


def run(seed):
    torch.manual_seed(seed)
    xtr, ytr, xte, yte = (torch.from_numpy(a) for a in fashion(2000, 1000))
    xtr, xte = xtr.float().div(255).sub(0.5).div(0.5), xte.float().div(255).sub(0.5).div(0.5)
    model = SmallVGG()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(3):
        total = 0.0
        for idx in torch.randperm(len(xtr)).split(40):
            loss = criterion(model(xtr[idx]), ytr[idx])  # ALSO
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(idx)
        print(f"epoch {epoch + 1}: {total / len(xtr):.4f}")
    model.eval()
    with torch.no_grad():
        return (model(xte).argmax(1) == yte).float().mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    print("score:", run(parser.parse_args().seed))
