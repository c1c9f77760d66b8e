"""
healthy: yes
style: AveragedModel, SWALR, update_bn
data: digits
source: PyTorch's documentation of torch.optim.swa_utils
trap: passes over the training data in train mode without any backward
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.optim.swa_utils import SWALR, AveragedModel, update_bn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

x, y, xt, yt = (torch.tensor(a) for a in digits())
x, xt = (x - 5) / 6, (xt - 5) / 6
loader = DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True)

model = nn.Sequential(
    nn.Flatten(),
    nn.Linear(64, 96, bias=False),
    nn.BatchNorm1d(96),
    nn.ReLU(),
    nn.Linear(96, 64, bias=False),
    nn.BatchNorm1d(64),
    nn.ReLU(),
    nn.Linear(64, 10),
)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
swa_model = AveragedModel(model)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=12)
swa_start = 6
swa_scheduler = SWALR(optimizer, swa_lr=0.05, anneal_epochs=2)

for epoch in range(12):
    model.train()
    for inputs, target in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), target)
        loss.backward()
        optimizer.step()
    if epoch > swa_start:
        swa_model.update_parameters(model)
        swa_scheduler.step()
    else:
        scheduler.step()
    print(f"epoch {epoch} loss {loss.item():.4f} lr {optimizer.param_groups[0]['lr']:.4f}")

update_bn(loader, swa_model)
swa_model.eval()
with torch.no_grad():
    score = (swa_model(xt).argmax(1) == yt).float().mean().item()
print(f"score: {score:.4f}")
