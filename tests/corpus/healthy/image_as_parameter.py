"""
healthy: yes
style: the picture itself is what the optimizer changes; the network is fixed
data: fashion
source: the shape of PyTorch's neural style tutorial
trap: a network in eval without gradients for its weights; one parameter, no batch
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

pictures = torch.tensor(fashion(10, 1)[0]) / 255.0
content = pictures[3:4]
extractor = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU()
)
extractor.eval().requires_grad_(False)
with torch.no_grad():
    wanted = extractor(content)

image = torch.rand(1, 1, 28, 28).requires_grad_(True)
start = nn.functional.mse_loss(image.detach(), content).item()
optimizer = torch.optim.Adam([image], lr=0.05)
for step in range(300):
    optimizer.zero_grad()
    tv = (image[..., 1:] - image[..., :-1]).abs().mean()
    loss = nn.functional.mse_loss(extractor(image), wanted) * 100 + 1e-3 * tv
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        image.clamp_(0, 1)
    if step % 50 == 0:
        print(f"step {step}: {loss.item():.5f}")
end = nn.functional.mse_loss(image.detach(), content).item()
print(f"score: {1 - end / start:.4f}")
