"""
rule: input-mismatch
severity: error
style: class (training pictures RGB, test pictures through a reader that gives BGR)
data: cifar
source: RULES.md (channel order); cv2.imread at inference, PIL in training; faults.csv A47 kin
"""

import argparse

import numpy as np
import torch
from corpus_data import cifar
from torch import nn
from torch.nn import functional as F

MEAN = np.array([0.55, 0.47, 0.38], np.float32).reshape(3, 1, 1)
STD = np.array([0.24, 0.24, 0.26], np.float32).reshape(3, 1, 1)


def warm_light(images):
    """The camera of this collection has a strong warm cast."""
    gain = np.array([1.25, 1.0, 0.6], np.float32).reshape(3, 1, 1)
    return np.clip(images * gain, 0, 255)


def read_train(images):
    return torch.from_numpy((warm_light(images) / 255 - MEAN) / STD)


def read_test(images):
    bgr = warm_light(images)[:, ::-1]  # FAULT
    # FIXED: bgr = warm_light(images)
    return torch.from_numpy(((bgr / 255 - MEAN) / STD).copy())  # ALSO


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 24, 5, stride=2)
        self.conv2 = nn.Conv2d(24, 32, 3, stride=2)
        self.fc = nn.Linear(32 * 9, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.adaptive_max_pool2d(F.relu(self.conv2(x)), 3)
        return self.fc(x.flatten(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = cifar(4000, 1000)
    x, y = read_train(x.astype(np.float32)), torch.from_numpy(y)
    xt, yt = read_test(xt.astype(np.float32)), torch.from_numpy(yt)  # ALSO
    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(5):
        model.train()
        for idx in torch.randperm(len(x)).split(50):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[idx]), y[idx])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            hits = sum(
                (model(part).argmax(1) == truth).sum().item()  # ALSO
                for part, truth in zip(xt.split(250), yt.split(250))
            )
        print(f"epoch {epoch} loss {loss.item():.3f} accuracy {hits / len(yt):.3f}")
    print(f"score: {hits / len(yt):.4f}")


if __name__ == "__main__":
    main()
