"""
rule: scheduler-frequency
severity: warning
style: plain loop (CosineAnnealingLR with T_max=epochs stepped every batch)
data: digits
source: ivadomed/ivadomed#57 (the rate updated at each batch: many cycles unintended);
    the last epoch ends at the full rate, which accuracy on digits hardly shows
proof: logic
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR

cli = argparse.ArgumentParser()
cli.add_argument("--seed", type=int, default=0)
cli.add_argument("--epochs", type=int, default=8)
cli.add_argument("--batch-size", type=int, default=16)
opts = cli.parse_args()
torch.manual_seed(opts.seed)

images, labels, test_images, test_labels = map(torch.from_numpy, digits())
images, test_images = images / 16, test_images / 16

net = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1, bias=False),
    nn.BatchNorm2d(16),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1, bias=False),
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(512, 10),
)
loss_fn = nn.CrossEntropyLoss()
optimizer = SGD(net.parameters(), lr=0.1, momentum=0.9)  # ALSO
scheduler = CosineAnnealingLR(optimizer, T_max=opts.epochs)  # ALSO

for epoch in range(opts.epochs):
    net.train()
    for pick in torch.randperm(len(images)).split(opts.batch_size):
        optimizer.zero_grad()
        loss = loss_fn(net(images[pick]), labels[pick])
        loss.backward()
        optimizer.step()
        scheduler.step()  # FAULT
        # FIXED:
    # FIXED: scheduler.step()
    print(f"epoch {epoch} lr {scheduler.get_last_lr()[0]:.4f} loss {loss.item():.4f}")

net.eval()
with torch.no_grad():
    score = (net(test_images).argmax(1) == test_labels).float().mean().item()
print(f"score: {score:.4f}")
