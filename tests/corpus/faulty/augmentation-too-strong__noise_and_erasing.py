"""
rule: augmentation-too-strong
severity: warning
style: plain loop (noise as strong as the picture, most of it erased)
data: digits
source: faults.csv B08 (underfitting because of augmentation)
also: underfitting
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

NOISE = 1.5  # FAULT
# FIXED: NOISE = 0.1
ERASE = 5  # FAULT
# FIXED: ERASE = 1


def augment(images):
    images = images + NOISE * torch.randn_like(images)  # ALSO
    top, left = torch.randint(0, 9 - ERASE, (2,)).tolist()
    images[:, :, top : top + ERASE, left : left + ERASE] = 0  # ALSO
    return images


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, x_val, y_val = (torch.from_numpy(a) for a in digits())
loader = DataLoader(TensorDataset(x / 8 - 1, y), batch_size=32, shuffle=True)
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
    nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 10),
)  # fmt: skip
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

for epoch in range(10):
    model.train()
    seen = hits = 0
    for images, labels in loader:
        logits = model(augment(images))  # ALSO
        loss = criterion(logits, labels)  # ALSO
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += len(labels)
        hits += (logits.argmax(1) == labels).sum().item()
    model.eval()
    with torch.no_grad():
        accuracy = (model(x_val / 8 - 1).argmax(1) == y_val).float().mean().item()
    print(f"epoch {epoch}: train {hits / seen:.3f} val {accuracy:.3f}")
print(f"score: {accuracy:.4f}")
