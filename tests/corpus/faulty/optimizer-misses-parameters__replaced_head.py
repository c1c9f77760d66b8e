"""
rule: optimizer-misses-parameters
severity: error
style: plain loop (frozen features, new head made after the optimizer)
data: digits
source: RULES.md; the order of lines in a transfer-learning notebook, cf. pytorch/pytorch#14467
also: not-learning
"""

import argparse

import torch
from corpus_data import digits
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset


class SmallNet(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.Flatten(),
        )  # fmt: skip
        self.fc = nn.Linear(32 * 16, num_classes)

    def forward(self, x):
        return self.fc(self.features(x))


def run_epochs(net, loader, optimizer, epochs):
    criterion = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        for images, labels in loader:
            optimizer.zero_grad()
            loss = criterion(net(images), labels)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.4f}")


def subset(x, y, keep):
    chosen = (y >= 5) if keep == "high" else (y < 5)
    return x[chosen] / 16, y[chosen] - (5 if keep == "high" else 0)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, x_test, y_test = (torch.from_numpy(a) for a in digits())

# Pretraining on 0 to 4.
net = SmallNet(num_classes=5)
source = DataLoader(TensorDataset(*subset(x, y, "low")), batch_size=32, shuffle=True)
run_epochs(net, source, optim.Adam(net.parameters(), lr=2e-3), epochs=4)

# Fine-tuning on 5 to 9.
optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)  # FAULT
# FIXED:
for parameter in net.parameters():
    parameter.requires_grad = False
net.fc = nn.Linear(net.fc.in_features, 5)  # ALSO
# FIXED: optimizer = optim.SGD(net.fc.parameters(), lr=0.05, momentum=0.9)
target = DataLoader(TensorDataset(*subset(x, y, "high")), batch_size=32, shuffle=True)
run_epochs(net, target, optimizer, epochs=6)

x_test, y_test = subset(x_test, y_test, "high")
with torch.no_grad():
    print(f"score: {(net(x_test).argmax(1) == y_test).float().mean():.4f}")
