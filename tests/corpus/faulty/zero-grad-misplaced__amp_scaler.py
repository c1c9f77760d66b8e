"""
rule: zero-grad-misplaced
severity: error
style: AMP (bf16 autocast, GradScaler, clipping)
data: digits
source: RULES.md; lines reordered while adding clipping to an AMP loop
also: not-learning, no-gradient
"""

import argparse

import torch
from corpus_data import digits
from torch import nn
from torch.amp import GradScaler, autocast
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser(description="digits with mixed precision")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--lr", type=float, default=0.05)
args = parser.parse_args()
torch.manual_seed(args.seed)


def conv_bn(c_in, c_out):
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU()
    )


x_train, y_train, x_test, y_test = (torch.from_numpy(a) for a in digits())
x_train, x_test = x_train.div(8).sub(1), x_test.div(8).sub(1)
loader = DataLoader(TensorDataset(x_train, y_train), 64, shuffle=True, drop_last=True)
net = nn.Sequential(
    conv_bn(1, 16), nn.MaxPool2d(2), conv_bn(16, 32), nn.MaxPool2d(2), nn.Flatten(),
    nn.Linear(128, 10),
)  # fmt: skip
optimizer = torch.optim.SGD(net.parameters(), lr=args.lr, momentum=0.9, weight_decay=1e-4)
scaler = GradScaler("cpu")
criterion = nn.CrossEntropyLoss()

for epoch in range(5):
    net.train()
    for images, target in loader:
        with autocast("cpu", dtype=torch.bfloat16):
            loss = criterion(net(images), target)
        # FIXED: optimizer.zero_grad(set_to_none=False)
        scaler.scale(loss).backward()  # ALSO
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.zero_grad(set_to_none=False)  # FAULT
        # FIXED:
        scaler.step(optimizer)  # ALSO
        scaler.update()
    print(epoch, float(loss))

net.eval()
with torch.no_grad():
    accuracy = (net(x_test).argmax(1) == y_test).float().mean().item()
print(f"score: {accuracy:.4f}")
