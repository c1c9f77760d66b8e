"""
rule: no-gradient
severity: error
style: plain loop
data: digits
source: RULES.md (argmax); "element 0 of tensors does not require grad" silenced by requires_grad_()
also: not-learning, loss-choice
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

arg_parser = argparse.ArgumentParser()
arg_parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(arg_parser.parse_args().seed)

train_x, train_y, valid_x, valid_y = (torch.tensor(a) for a in digits())
train_x, valid_x = train_x.flatten(1) / 16, valid_x.flatten(1) / 16
data = DataLoader(TensorDataset(train_x, train_y), batch_size=40, shuffle=True)

model = nn.Sequential(nn.Linear(64, 80), nn.ReLU(), nn.Linear(80, 10))
mse = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)

for epoch in range(6):
    for x, y in data:
        optimizer.zero_grad()
        output = model(x)
        predicted = output.argmax(dim=1).float()  # FAULT
        # FIXED: target = torch.nn.functional.one_hot(y, 10).float()
        loss = mse(predicted, y.float())  # FAULT
        # FIXED: loss = mse(output, target)
        loss.requires_grad_()  # ALSO
        loss.backward()  # ALSO
        optimizer.step()
    print(f"epoch {epoch}, loss {loss.item():.3f}")

with torch.no_grad():
    accuracy = (model(valid_x).argmax(1) == valid_y).float().mean()
print(f"score: {accuracy.item():.4f}")
