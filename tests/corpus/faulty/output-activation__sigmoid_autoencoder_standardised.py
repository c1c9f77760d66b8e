"""
rule: output-activation
severity: error
style: class, convolutional autoencoder
data: fashion
source: faults.csv B04 (the output's range doesn't hold the targets', which were standardised)
also: underfitting, saturated-activation
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn


class ConvAutoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(16, 8, 2, stride=2),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 1, 2, stride=2),
            nn.Sigmoid(),  # FAULT
            # FIXED:
        )

    def forward(self, x):
        return self.decoder(self.encoder(x))


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
images, _, test_images, _ = fashion(1500, 300)
mean, std = images.mean(), images.std()
images = (torch.from_numpy(images).float() - mean) / std
test_images = (torch.from_numpy(test_images).float() - mean) / std

model = ConvAutoencoder()
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(6):
    for batch in images[torch.randperm(len(images))].split(50):
        reconstruction = model(batch)
        loss = criterion(reconstruction, batch)  # ALSO
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} reconstruction error {loss.item():.4f}")
with torch.no_grad():
    print(f"score: {-criterion(model(test_images), test_images).item():.4f}")
