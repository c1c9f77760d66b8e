"""
rule: augmentation-too-strong
severity: warning
style: class (dihedral augmentation and heavy shifts on digits)
data: digits
source: faults.csv B11 (90 degree rotations on digits), F14
also: underfitting
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Augmented(Dataset):
    def __init__(self, images, labels):
        self.images, self.labels = torch.from_numpy(images) / 16, torch.from_numpy(labels)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.transform(self.images[i]), self.labels[i]  # ALSO

    def transform(self, image):
        image = torch.rot90(image, int(torch.randint(4, ())), dims=(1, 2))  # FAULT
        # FIXED:
        if torch.rand(()) < 0.5:
            image = image.flip(2)  # FAULT
            # FIXED: image = image + 0.05 * torch.randn_like(image)
        shift = torch.randint(-3, 4, (2,)).tolist()  # FAULT
        # FIXED: shift = torch.randint(-1, 2, (2,)).tolist()
        return torch.roll(image, shift, dims=(1, 2))  # ALSO


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.fc = nn.Linear(128, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(x.flatten(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, x_val, y_val = digits()
    loader = DataLoader(Augmented(x, y), batch_size=32, shuffle=True)  # ALSO
    x_val, y_val = torch.from_numpy(x_val) / 16, torch.from_numpy(y_val)
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(8):
        net.train()
        hits = 0
        for images, labels in loader:
            optimizer.zero_grad()
            logits = net(images)
            loss = F.cross_entropy(logits, labels)  # ALSO
            loss.backward()
            optimizer.step()
            hits += (logits.argmax(1) == labels).sum().item()
        net.eval()
        with torch.no_grad():
            accuracy = (net(x_val).argmax(1) == y_val).float().mean().item()
        print(f"epoch {epoch}: train {hits / len(y):.3f} val {accuracy:.3f}")
    print(f"score: {accuracy:.4f}")


if __name__ == "__main__":
    main()
