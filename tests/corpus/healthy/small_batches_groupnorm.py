"""
healthy: yes
style: batches of four, group norm, the order drawn anew in each epoch
data: digits
source: Wu and He 2018
trap: tiny batches with a norm that does not care; a noisy loss; 1,400 steps
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.gn1 = nn.GroupNorm(4, 16)
        self.conv2 = nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False)
        self.gn2 = nn.GroupNorm(4, 32)
        self.fc = nn.Linear(32, 10)

    def forward(self, x):
        x = self.gn1(self.conv1(x)).relu()
        x = self.gn2(self.conv2(x)).relu()
        return self.fc(x.amax(dim=(2, 3)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = map(torch.tensor, digits())
    loader = DataLoader(TensorDataset((x - 4.9) / 6, y), batch_size=4, shuffle=True)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.8)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(4):
        running = 0.0
        for i, (images, labels) in enumerate(loader):
            optimizer.zero_grad()
            loss = criterion(net(images), labels)
            loss.backward()
            optimizer.step()
            running += loss.item()
            if i % 180 == 179:
                print(f"[{epoch + 1}, {i + 1:5d}] loss: {running / 180:.3f}")
                running = 0.0
    net.eval()
    with torch.no_grad():
        accuracy = (net((xt - 4.9) / 6).argmax(1) == yt).float().mean().item()
    print(f"score: {accuracy:.4f}")
