"""
rule: softmax-single-unit
severity: error
style: class, regression
data: scikit-learn's diabetes table
source: faults.csv A07
also: output-activation, no-gradient, not-learning, collapsed-output
"""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class MLP(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.fc1 = nn.Linear(d, 40)
        self.fc2 = nn.Linear(40, 20)
        self.fc3 = nn.Linear(20, 1)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return F.softmax(self.fc3(x), dim=1)  # FAULT
        # FIXED: return self.fc3(x)


def main(args):
    torch.manual_seed(args.seed)
    table = load_diabetes()
    x = torch.tensor(table.data / table.data.std(0), dtype=torch.float32)
    t = torch.tensor((table.target - 152) / 77, dtype=torch.float32).unsqueeze(1)
    loader = DataLoader(TensorDataset(x[:350], t[:350]), batch_size=25, shuffle=True)
    model = MLP(10)
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    for epoch in range(args.epochs):
        for xb, tb in loader:
            optimizer.zero_grad()
            loss = criterion(model(xb), tb)  # ALSO
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: mse {loss.item():.4f}")
    with torch.no_grad():
        print(f"score: {-criterion(model(x[350:]), t[350:]).item():.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=15)
    main(parser.parse_args())
