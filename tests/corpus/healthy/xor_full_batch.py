"""
healthy: yes
style: plain loop, four examples, trained and scored on the same ones
data: XOR
source: everybody's first net
trap: four inputs in total; the same batch every step; evaluation on the training data
"""

import argparse

import torch
import torch.nn as nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

X = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = torch.tensor([[0.0], [1.0], [1.0], [0.0]])


class XOR(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin1 = nn.Linear(2, 8)
        self.lin2 = nn.Linear(8, 1)

    def forward(self, x):
        x = torch.tanh(self.lin1(x))
        return torch.sigmoid(self.lin2(x))


model = XOR()
loss_func = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
for epoch in range(1500):
    optimizer.zero_grad()
    y_hat = model(X)
    loss = loss_func(y_hat, Y)
    loss.backward()
    optimizer.step()
    if epoch % 300 == 0:
        print(f"Epoch: {epoch}, Loss: {loss.item():.5f}")
with torch.no_grad():
    result = ((model(X) > 0.5).float() == Y).float().mean().item()
print(f"score: {result:.4f}")
