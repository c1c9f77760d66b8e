"""
rule: no-gradient
severity: warning
style: plain loop (CNN, one block's result is thrown away)
data: fashion
source: RULES.md ("a branch never used"); a variable renamed in one place only
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 6, 3, stride=2), nn.ReLU())
        self.body = nn.Sequential(  # ALSO
            nn.Conv2d(6, 24, 3, stride=2), nn.BatchNorm2d(24), nn.ReLU(), nn.Conv2d(24, 6, 3)
        )
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.fc = nn.Linear(24, 10)

    def forward(self, images):
        stem = self.stem(images)
        out = self.body(stem)  # ALSO
        out = self.pool(stem)  # FAULT
        # FIXED: out = self.pool(out)
        return self.fc(out.flatten(1))


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = (torch.from_numpy(a) for a in fashion(3000, 1000))
train_set = TensorDataset(x.float().div(127.5).sub(1), y)
test_set = TensorDataset(xt.float().div(127.5).sub(1), yt)

model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(4):
    model.train()
    for images, labels in DataLoader(train_set, batch_size=50, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
    model.eval()
    correct = 0
    with torch.no_grad():
        for images, labels in DataLoader(test_set, batch_size=250):
            correct += (model(images).argmax(1) == labels).sum().item()
    print(f"epoch {epoch}: loss {loss.item():.3f}, accuracy {correct / len(test_set):.3f}")
print(f"score: {correct / len(test_set):.4f}")
