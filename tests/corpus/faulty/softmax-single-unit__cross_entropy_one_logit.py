"""
rule: softmax-single-unit
severity: error
style: CNN binary
data: digits, odd or even
source: faults.csv B43
also: no-gradient, not-learning, loss-choice, loss-input, loss-at-init, label-range
"""

import argparse

import torch
from corpus_data import digits
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
torch.manual_seed(args.seed)

x_train, y_train, x_test, y_test = (torch.from_numpy(a) for a in digits())
x_train, x_test = x_train / 16, x_test / 16
odd_train = (y_train % 2).float().unsqueeze(1)
odd_test = (y_test % 2).float().unsqueeze(1)


class OddOrEven(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.output = nn.Linear(32 * 4, 1)  # ALSO

    def forward(self, x):
        return self.output(self.features(x).flatten(1))


model = OddOrEven()
criterion = nn.CrossEntropyLoss()  # FAULT
# FIXED: criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(5):
    model.train()
    for idx in torch.randperm(len(x_train)).split(50):
        optimizer.zero_grad()
        cost = criterion(model(x_train[idx]), odd_train[idx])  # ALSO
        cost.backward()
        optimizer.step()
    print(f"epoch {epoch}: cost {cost.item():.6f}")

model.eval()
with torch.no_grad():
    accuracy = ((model(x_test) > 0).float() == odd_test).float().mean().item()
print("score:", accuracy)
