"""
rule: no-gradient
severity: error
style: class (CNN trained from scratch, features under no_grad)
data: fashion
source: RULES.md; extract() copied from a feature-extraction example
also: optimizer-misses-parameters
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class FashionNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(  # ALSO
            nn.Conv2d(1, 8, 5, stride=2),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, stride=2),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        )
        self.classifier = nn.Linear(32, 10)

    @torch.no_grad()  # FAULT
    # FIXED:
    def extract(self, x):
        return self.backbone(x)  # ALSO

    def forward(self, x):
        features = self.extract(x)  # ALSO
        return self.classifier(features)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=5)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    x, y, x_test, y_test = (torch.from_numpy(a) for a in fashion(3000, 1000))
    x, x_test = (x.float() / 255 - 0.286) / 0.353, (x_test.float() / 255 - 0.286) / 0.353
    loader = DataLoader(TensorDataset(x, y), batch_size=50, shuffle=True)
    net = FashionNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(args.epochs):
        for xb, yb in loader:
            loss = loss_fn(net(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            accuracy = (net(x_test).argmax(1) == y_test).float().mean().item()
        print(f"epoch {epoch} train loss {loss.item():.3f} test accuracy {accuracy:.3f}")
    print(f"score: {accuracy:.4f}")


main()
