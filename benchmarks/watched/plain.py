"""The plain training script that is timed: torch alone, a small CNN or ResNet-18 on made-up images.

python benchmarks/watched/plain.py cnn --steps 2000
"""

import argparse
import hashlib

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

CLASSES = 10
NOISE = 2.0
"""Standard deviation of the noise over a class's picture: learnable, but not within a few steps."""

SHAPES = {"cnn": (1, 28), "resnet18": (3, 32)}
BATCH_SIZES = {"cnn": 64, "resnet18": 32}
IMAGES = {"cnn": 6400, "resnet18": 1600}


class Block(nn.Module):
    """Two 3×3 convolutions and what they are added to."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential()
        if stride != 1 or width_in != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


def resnet18() -> nn.Module:
    """ResNet-18 for 32×32 pictures: 11 million parameters."""
    blocks: list[nn.Module] = []
    width_in = 64
    for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        blocks += [Block(width_in, width, stride), Block(width, width, 1)]
        width_in = width
    stem = (nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, CLASSES))
    return nn.Sequential(*stem, *blocks, *head)


def cnn() -> nn.Module:
    """Two convolutions and two linear layers for 28×28 pictures."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 7 * 7, 64), nn.ReLU(), nn.Linear(64, CLASSES),
    )  # fmt: skip


NETWORKS = {"cnn": cnn, "resnet18": resnet18}


def arguments() -> argparse.Namespace:
    """The script's own command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=50, help="steps between two looks of a peer")
    parser.add_argument("--peer", default="", help="for with_peer.py")
    return parser.parse_args()


def batches(network: str) -> DataLoader:
    """Made-up pictures: every class has one of its own, under noise."""
    channels, size = SHAPES[network]
    labels = torch.randint(0, CLASSES, (IMAGES[network],))
    pictures = torch.randn(CLASSES, channels, size, size)
    images = pictures[labels] + NOISE * torch.randn(len(labels), channels, size, size)
    images = (images - images.mean()) / images.std()
    return DataLoader(TensorDataset(images, labels), BATCH_SIZES[network], shuffle=True)


def fingerprint(model: nn.Module) -> str:
    """The same for the same weights, bit for bit."""
    parts = (value.detach().numpy().tobytes() for value in model.state_dict().values())
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def main() -> None:
    options = arguments()
    torch.manual_seed(options.seed)
    loader = batches(options.network)
    model = NETWORKS[options.network]()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)

    model.train()
    step, total = 0, 0.0
    while step < options.steps:
        for images, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
            step += 1
            if step == options.steps:
                break
    print(f"steps: {step}  loss: {total / step:.4f} {loss.item():.4f}  {fingerprint(model)}")


if __name__ == "__main__":
    main()
