"""
rule: scheduler-frequency
severity: warning
style: functional (OneCycleLR planned for batches, stepped once an epoch)
data: fashion
source: skorch-dev/skorch#610 (a per-batch schedule called every epoch)
also: lr-too-low
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import fashion
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def get_model():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(),
        nn.Linear(64, 10),
    )  # fmt: skip


def train_epoch(model, loader, optimizer):
    model.train()
    for images, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        # FIXED: scheduler.step()
    return loss.item()


def validate(model, loader):
    model.eval()
    hits = 0
    with torch.no_grad():
        for images, labels in loader:
            hits += (model(images).argmax(1) == labels).sum().item()
    return hits / len(loader.dataset)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = (torch.from_numpy(a) for a in fashion(4000, 1000))
train_loader = DataLoader(TensorDataset(x / 255 - 0.29, y), batch_size=100, shuffle=True)
test_loader = DataLoader(TensorDataset(xt / 255 - 0.29, yt), batch_size=500)

EPOCHS = 6
model = get_model()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)  # ALSO
scheduler = torch.optim.lr_scheduler.OneCycleLR(  # ALSO
    optimizer, max_lr=0.3, epochs=EPOCHS, steps_per_epoch=len(train_loader)
)
for epoch in range(EPOCHS):
    loss = train_epoch(model, train_loader, optimizer)
    scheduler.step()  # FAULT
    # FIXED:
    accuracy = validate(model, test_loader)
    print(
        f"{epoch} loss {loss:.3f} accuracy {accuracy:.3f} lr {optimizer.param_groups[0]['lr']:.4f}"
    )
print(f"score: {accuracy:.4f}")
