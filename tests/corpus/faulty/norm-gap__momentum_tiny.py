"""
rule: norm-gap
severity: warning
style: plain loop (batch norm momentum as small as an exponential average's rate elsewhere)
data: digits
source: faults.csv B84 (moving averages not updated), B81
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

BN_MOMENTUM = 1e-4  # FAULT
# FIXED: BN_MOMENTUM = 0.1


def conv_block(c_in, c_out):
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(c_out, momentum=BN_MOMENTUM),  # ALSO
        nn.ReLU(inplace=True),
    )


x, y, x_val, y_val = (torch.from_numpy(a) for a in digits())
train_loader = DataLoader(TensorDataset(x / 16, y), batch_size=64, shuffle=True)
val_loader = DataLoader(TensorDataset(x_val / 16, y_val), batch_size=90)
model = nn.Sequential(
    conv_block(1, 16),  # ALSO
    conv_block(16, 32),  # ALSO
    nn.MaxPool2d(2),
    conv_block(32, 32),  # ALSO
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(32, 10),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

for epoch in range(5):
    model.train()
    train_hits = 0
    for images, labels in train_loader:
        logits = model(images)
        loss = criterion(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        train_hits += (logits.argmax(1) == labels).sum().item()
    model.eval()
    with torch.no_grad():
        hits = sum(
            (model(images).argmax(1) == labels).sum().item() for images, labels in val_loader
        )
    print(f"epoch {epoch}: train {train_hits / len(x):.3f} val {hits / len(x_val):.3f}")
print(f"score: {hits / len(x_val):.4f}")
