"""
healthy: yes
style: plain loop
data: digits
source: Szegedy et al. 2016
trap: a loss with a floor of about 0.5
"""

import argparse

import torch
from corpus_data import digits
from torch import nn

torch.set_num_threads(1)
parser = argparse.ArgumentParser()
parser.add_argument("--seed", default=0, type=int)
torch.manual_seed(parser.parse_args().seed)

images, labels, val_images, val_labels = [torch.from_numpy(array) for array in digits()]
mean, std = images.mean((0, 2, 3)), images.std((0, 2, 3))
images = (images - mean[:, None, None]) / std[:, None, None]
val_images = (val_images - mean[:, None, None]) / std[:, None, None]

model = nn.Sequential(
    nn.Conv2d(1, 24, 3, padding=1, bias=False),
    nn.BatchNorm2d(24),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(24, 48, 3, padding=1, bias=False),
    nn.BatchNorm2d(48),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Dropout(0.2),
    nn.Linear(192, 10),
)
smooth = nn.CrossEntropyLoss(label_smoothing=0.1)
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
num_batches = len(images) // 48
for epoch in range(6):
    model.train()
    permutation = torch.randperm(len(images))
    for b in range(num_batches):
        chosen = permutation[b * 48 : (b + 1) * 48]
        optimizer.zero_grad()
        loss = smooth(model(images[chosen]), labels[chosen])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        output = model(val_images)
        accuracy = output.argmax(1).eq(val_labels).float().mean().item()
    print(f"{epoch} train {loss.item():.3f} val {smooth(output, val_labels).item():.3f} {accuracy}")
print(f"score: {accuracy:.4f}")
