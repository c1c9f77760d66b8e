"""
rule: missing-zero-grad
severity: error
style: plain loop
data: digits
source: pytorch/pytorch#47175
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=8)
args = parser.parse_args()
torch.manual_seed(args.seed)

x_train, y_train, x_test, y_test = (torch.from_numpy(a) for a in digits())
x_train, x_test = (x_train - 4.9) / 6.0, (x_test - 4.9) / 6.0
train_loader = DataLoader(TensorDataset(x_train, y_train), batch_size=32, shuffle=True)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(32 * 2 * 2, 10)

    def forward(self, x):
        x = self.pool(torch.relu(self.conv1(x)))
        x = self.pool(torch.relu(self.conv2(x)))
        return self.fc(x.flatten(1))


net = Net()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)

optimizer.zero_grad()
for epoch in range(args.epochs):
    running_loss = 0.0
    for inputs, labels in train_loader:
        outputs = net(inputs)
        loss = criterion(outputs, labels)
        loss.backward()  # FAULT
        # FIXED: optimizer.zero_grad()
        # FIXED: loss.backward()
        optimizer.step()  # ALSO
        running_loss += loss.item()
    print(f"epoch {epoch + 1}: loss {running_loss / len(train_loader):.4f}")

with torch.no_grad():
    accuracy = (net(x_test).argmax(1) == y_test).float().mean().item()
print(f"score: {accuracy:.4f}")
