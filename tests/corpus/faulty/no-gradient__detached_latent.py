"""
rule: no-gradient
severity: error
style: class (autoencoder, the code goes through numpy)
data: digits
source: RULES.md (detached graph); a whitening step written with numpy in the middle of the net
also: optimizer-misses-parameters
"""

import argparse

import numpy as np
import torch
import torch.nn as nn
from corpus_data import digits
from torch.utils.data import DataLoader, TensorDataset


class Autoencoder(nn.Module):
    def __init__(self, code_size=4):
        super().__init__()
        self.encoder = nn.Sequential(  # ALSO
            nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, code_size)
        )
        self.decoder = nn.Sequential(
            nn.Linear(code_size, 48), nn.ReLU(), nn.Linear(48, 64), nn.Sigmoid()
        )

    @staticmethod
    def standardize(code):
        array = code.detach().numpy()  # FAULT
        # FIXED: return (code - code.mean(0)) / (code.std(0) + 1e-5)
        array = (array - np.mean(array, axis=0)) / (np.std(array, axis=0) + 1e-5)
        return torch.from_numpy(array)  # ALSO

    def forward(self, x):
        code = self.encoder(x)  # ALSO
        return self.decoder(self.standardize(code))


def main(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    torch.manual_seed(options.seed)
    x_train, y_train, x_test, _ = (torch.from_numpy(a) for a in digits())
    x_train, x_test = x_train.view(-1, 64) / 16, x_test.view(-1, 64) / 16
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=64, shuffle=True)
    autoencoder = Autoencoder()
    optimizer = torch.optim.Adam(autoencoder.parameters(), lr=5e-3)
    distance = nn.MSELoss()
    for epoch in range(1, 16):
        autoencoder.train()
        for images, _ in loader:
            optimizer.zero_grad()
            loss = distance(autoencoder(images), images)
            loss.backward()
            optimizer.step()
        if epoch % 5 == 0:
            print(f"{epoch:3d} {loss.item():.5f}")
    with torch.no_grad():
        error = distance(autoencoder(x_test), x_test).item()
    print(f"score: {-error:.5f}")


main()
