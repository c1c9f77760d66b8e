"""
healthy: yes
style: DistributedDataParallel with a DistributedSampler, one process
data: digits
source: PyTorch's DDP tutorial
trap: the model is wrapped; gradients are averaged by hooks
"""

import argparse
import os
import tempfile

import torch
import torch.distributed as dist
from corpus_data import digits
from torch import nn
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        meeting = "file://" + os.path.join(folder, "store")
        dist.init_process_group("gloo", init_method=meeting, rank=0, world_size=1)
        try:
            print(f"score: {train(args.seed):.4f}")
        finally:
            dist.destroy_process_group()


def train(seed):
    torch.manual_seed(seed)
    x, y, xt, yt = (torch.tensor(a) for a in digits())
    dataset = TensorDataset((x - 4.9) / 6, y)
    sampler = DistributedSampler(dataset, seed=seed)
    loader = DataLoader(dataset, batch_size=64, sampler=sampler)
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(256, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    model = DDP(net)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(8):
        sampler.set_epoch(epoch)
        model.train()
        for images, labels in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
        if dist.get_rank() == 0:
            print(f"epoch {epoch}: {loss.item():.4f}")
    model.eval()
    with torch.no_grad():
        return (model((xt - 4.9) / 6).argmax(1) == yt).float().mean().item()


if __name__ == "__main__":
    main()
