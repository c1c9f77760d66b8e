"""
healthy: yes
style: class, encoder and decoder
data: fashion
source: the usual fully connected autoencoder
trap: a linear latent between two linear layers; a sigmoid output for targets in 0..1; no labels
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn
from torch.utils.data import DataLoader


class AutoEncoder(nn.Module):
    def __init__(self, latent=16):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, latent)
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent, 128), nn.ReLU(), nn.Linear(128, 784), nn.Sigmoid()
        )

    def forward(self, x):
        return self.decoder(self.encoder(x)).view_as(x)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
torch.manual_seed(args.seed)

images, _, held_out, _ = fashion(3000, 500)
images = torch.tensor(images, dtype=torch.float32) / 255
held_out = torch.tensor(held_out, dtype=torch.float32) / 255
loader = DataLoader(images, batch_size=64, shuffle=True)

model = AutoEncoder()
distance = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(5):
    for img in loader:
        output = model(img)
        loss = distance(output, img)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch [{epoch + 1}/5], loss:{loss.item():.4f}")

model.eval()
with torch.no_grad():
    error = distance(model(held_out), held_out).item()
    baseline = distance(images.mean(0).expand_as(held_out), held_out).item()
print(f"explained {1 - error / baseline:.3f}")
print(f"score: {1 - error / baseline:.4f}")
