"""
rule: output-activation
severity: error
style: plain loop, tabular
data: scikit-learn's iris table
source: faults.csv A16 and A23 (sigmoid units where a softmax's logits belong)
also: double-softmax, loss-input, lr-too-low
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_iris

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

iris = load_iris()
X = torch.FloatTensor((iris.data - iris.data.mean(0)) / iris.data.std(0))
Y = torch.LongTensor(iris.target)
order = torch.randperm(150, generator=torch.Generator().manual_seed(7))
train, test = order[:100], order[100:]


class Model(nn.Module):
    def __init__(self, in_features=4, h1=8, h2=9, out_features=3):
        super().__init__()
        self.fc1 = nn.Linear(in_features, h1)
        self.fc2 = nn.Linear(h1, h2)
        self.out = nn.Linear(h2, out_features)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return torch.sigmoid(self.out(x))  # FAULT
        # FIXED: return self.out(x)


model = Model()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for epoch in range(60):
    for idx in train[torch.randperm(100)].split(10):
        y_pred = model(X[idx])
        loss = criterion(y_pred, Y[idx])  # ALSO
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 10 == 0:
        print(f"Epoch: {epoch} and loss: {loss.item()}")

with torch.no_grad():
    val = F.cross_entropy(model(X[test]), Y[test]).item()
    print("accuracy", (model(X[test]).argmax(1) == Y[test]).float().mean().item())
print("score:", -val)
