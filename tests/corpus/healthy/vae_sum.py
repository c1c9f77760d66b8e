"""
healthy: yes
style: functional loss, reduction='sum'
data: fashion
source: the shape of PyTorch's VAE example
trap: a summed loss of tens of thousands (Adam does not care); random sampling in forward
"""

import argparse

import torch
from corpus_data import fashion
from torch import nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 128)
        self.fc21 = nn.Linear(128, 10)
        self.fc22 = nn.Linear(128, 10)
        self.fc3 = nn.Linear(10, 128)
        self.fc4 = nn.Linear(128, 784)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def decode(self, z):
        h3 = F.relu(self.fc3(z))
        return torch.sigmoid(self.fc4(h3))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 784))
        z = self.reparameterize(mu, logvar)
        return self.decode(z), mu, logvar


def loss_function(recon_x, x, mu, logvar):
    bce = F.binary_cross_entropy(recon_x, x.view(-1, 784), reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld


def run(seed):
    torch.manual_seed(seed)
    images, labels, test_images, test_labels = fashion(3000, 500)
    train_loader = DataLoader(
        TensorDataset(torch.tensor(images) / 255.0, torch.tensor(labels)),
        batch_size=128,
        shuffle=True,
    )
    test_loader = DataLoader(
        TensorDataset(torch.tensor(test_images) / 255.0, torch.tensor(test_labels)),
        batch_size=128,
    )
    model = VAE()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(1, 7):
        model.train()
        train_loss = 0
        for data, _ in train_loader:
            optimizer.zero_grad()
            recon_batch, mu, logvar = model(data)
            loss = loss_function(recon_batch, data, mu, logvar)
            loss.backward()
            train_loss += loss.item()
            optimizer.step()
        model.eval()
        test_loss = 0
        with torch.no_grad():
            for data, _ in test_loader:
                recon, mu, logvar = model(data)
                test_loss += loss_function(recon, data, mu, logvar).item()
        print(f"{epoch}: train {train_loss / 3000:.2f} test {test_loss / 500:.2f}")
    with torch.no_grad():
        z, _ = model.encode(torch.tensor(test_images).view(-1, 784) / 255.0)
        error = F.mse_loss(model.decode(z), torch.tensor(test_images).view(-1, 784) / 255.0)
        spread = (torch.tensor(test_images).view(-1, 784) / 255.0).var(0).mean()
    return 1 - (error / spread).item()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
print(f"score: {run(parser.parse_args().seed):.4f}")
