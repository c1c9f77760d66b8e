"""
rule: non-finite
severity: error
style: class, count regression
data: generated counts
source: RULES.md (log of targets that may be 0)
also: not-learning
"""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class BikeRentals(Dataset):
    def __init__(self, n, generator):
        self.hour = torch.rand(n, generator=generator) * 24
        self.heat = torch.randn(n, generator=generator)
        self.rain = (torch.rand(n, generator=generator) < 0.3).float()
        rate = 6 * torch.exp(torch.sin((self.hour - 8) / 3.8) + 0.4 * self.heat - 1.2 * self.rain)
        self.rentals = torch.poisson(rate, generator=generator)

    def __len__(self):
        return len(self.rentals)

    def __getitem__(self, i):
        angle = self.hour[i] * 2 * torch.pi / 24
        features = torch.stack([angle.sin(), angle.cos(), self.heat[i], self.rain[i]])
        return features, torch.log(self.rentals[i])  # FAULT
        # FIXED: return features, torch.log1p(self.rentals[i])


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=0)
    seed = ap.parse_args().seed
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    train, val = BikeRentals(1500, generator), BikeRentals(400, generator)
    loader = DataLoader(train, batch_size=50, shuffle=True)
    model = nn.Sequential(nn.Linear(4, 48), nn.SiLU(), nn.Linear(48, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    criterion = nn.MSELoss()
    for epoch in range(10):
        total = 0.0
        for features, target in loader:
            optimizer.zero_grad()
            loss = criterion(model(features).squeeze(1), target)  # ALSO
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(f"epoch {epoch}: {total / len(loader):.4f}")
    with torch.no_grad():
        features = torch.stack([val[i][0] for i in range(len(val))])
        prediction = model(features).squeeze(1).exp() - 1
    # share of predictions within five rentals
    close = (prediction - val.rentals).abs() < 5
    print(f"score: {close.float().mean().item():.4f}")


main()
