"""
healthy: yes
style: PixelShuffle, orthogonal initialisation, MSE between pictures
data: fashion, halved in size
source: the shape of PyTorch's super resolution example
trap: no activation at the end; regression of pixels; a global residual with bilinear upsampling
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from corpus_data import fashion
from torch.nn import init
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self, upscale_factor):
        super().__init__()
        self.scale = upscale_factor
        self.conv1 = nn.Conv2d(1, 24, 5, padding=2)
        self.conv2 = nn.Conv2d(24, 16, 3, padding=1)
        self.conv3 = nn.Conv2d(16, upscale_factor**2, 3, padding=1)
        self.pixel_shuffle = nn.PixelShuffle(upscale_factor)
        init.orthogonal_(self.conv1.weight, init.calculate_gain("relu"))
        init.orthogonal_(self.conv2.weight, init.calculate_gain("relu"))
        init.orthogonal_(self.conv3.weight)

    def forward(self, x):
        base = F.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=False)
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        return base + self.pixel_shuffle(self.conv3(x))


def psnr(mse):
    return 10 * torch.log10(1 / torch.as_tensor(mse)).item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, _, xt, _ = fashion(2000, 300)
    large, large_test = torch.tensor(x) / 255.0, torch.tensor(xt) / 255.0
    small, small_test = F.avg_pool2d(large, 2), F.avg_pool2d(large_test, 2)
    loader = DataLoader(TensorDataset(small, large), batch_size=32, shuffle=True)
    model = Net(2)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    criterion = nn.MSELoss()
    for epoch in range(4):
        model.train()
        for inputs, target in loader:
            optimizer.zero_grad()
            loss = criterion(model(inputs), target)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            error = criterion(model(small_test), large_test).item()
        print(f"epoch {epoch}: {psnr(error):.2f} dB")
    plain = F.interpolate(small_test, scale_factor=2, mode="bilinear", align_corners=False)
    baseline = criterion(plain, large_test).item()
    print(f"bilinear {psnr(baseline):.2f} dB")
    print(f"score: {1 - error / baseline:.4f}")
