"""The frozen first layer of fast small-picture nets: patches made uncorrelated."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor, nn
from torch.nn import functional

RELATIVE_FLOOR = 5e-4  # added to the variances, times their mean: flat patches stay finite
CHUNK_BYTES = 64 << 20  # of float64 patches per step of the covariance
MOST_REMEMBERED = 16  # covariances; each is a few kilobytes
_COVARIANCES: dict[tuple[int, tuple[int, ...], str, str], Tensor] = {}


class PatchWhitening(nn.Module):
    """Whiten every k x k patch by fixed filters, each with its negative: C -> 2 n channels.

    `fit` sets the filters from training pictures; until then they are an orthonormal basis. The
    filters are a buffer (saved, never trained); the bias is trained.
    Source: Page, "How to train your ResNet" 8 (2019); Jordan 2024 (arXiv 2404.00498), section 3.2.
    """

    weight: Tensor

    def __init__(
        self,
        in_channels: int,
        kernel_size: int = 2,
        stride: int = 1,
        padding: int = 0,
        num_components: int = 0,
    ):
        super().__init__()
        patch_size = in_channels * kernel_size**2
        self.in_channels = in_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.num_components = min(num_components or patch_size, patch_size)
        basis = torch.empty(patch_size, patch_size)
        nn.init.orthogonal_(basis, generator=torch.Generator().manual_seed(0))
        self.register_buffer("weight", self._filters(basis))
        self.bias = nn.Parameter(torch.zeros(2 * self.num_components))

    @property
    def out_channels(self) -> int:
        """Channels of the result: every filter and its negative."""
        return 2 * self.num_components

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (N, C, H, W) -> maps (N, 2 n, H', W')."""
        maps = functional.conv2d(images, self.weight, stride=self.stride, padding=self.padding)
        # Added apart: with a bias inside, the CPU kernel computes the frozen filters' gradient too.
        return maps + self.bias.to(maps.dtype).view(1, -1, 1, 1)

    @torch.no_grad()
    def fit(self, images: Tensor, relative_floor: float = RELATIVE_FLOOR) -> PatchWhitening:
        """Set the filters from normalised training pictures (N, C, H, W); a few thousand suffice.

        Eigenvectors of the patches' covariance, largest variance first, each over its standard
        deviation. Pictures without any variance leave the filters as they are.
        """
        variances, directions = torch.linalg.eigh(self._remembered_covariance(images))
        floor = relative_floor * variances.mean()
        if floor <= 0:
            return self
        # An eigenvector's sign is arbitrary; fixed here, so that any LAPACK gives the same filters.
        largest = directions.abs().argmax(dim=0, keepdim=True)
        directions = directions * directions.gather(0, largest).sign()
        rows = (directions / (variances.clamp(min=0) + floor).sqrt()).T.flip(0)
        self.weight.copy_(self._filters(rows))
        return self

    def _remembered_covariance(self, images: Tensor) -> Tensor:
        """The covariance, from memory for pictures seen before: their digest takes a hundredth.

        A search builds a network for every trial on the same pictures.
        """
        pixels = images.detach().cpu().contiguous()
        digest = hashlib.blake2b(pixels.view(torch.uint8).numpy().data, digest_size=16).hexdigest()
        key = (self.kernel_size, tuple(images.shape), str(images.dtype), digest)
        if key not in _COVARIANCES:
            if len(_COVARIANCES) >= MOST_REMEMBERED:
                _COVARIANCES.clear()
            _COVARIANCES[key] = self._covariance(images)
        return _COVARIANCES[key]

    def _covariance(self, images: Tensor) -> Tensor:
        patch_size = self.in_channels * self.kernel_size**2
        total = torch.zeros(patch_size, dtype=torch.float64)
        products = torch.zeros(patch_size, patch_size, dtype=torch.float64)
        count = 0
        num_positions = max(1, images.shape[2] * images.shape[3])
        for chunk in images.split(max(1, CHUNK_BYTES // (8 * patch_size * num_positions))):
            columns = functional.unfold(chunk.detach().cpu().double(), self.kernel_size)
            patches = columns.transpose(1, 2).reshape(-1, patch_size)
            total += patches.sum(0)
            products += patches.T @ patches
            count += len(patches)
        mean = total / count
        return products / count - torch.outer(mean, mean)

    def _filters(self, rows: Tensor) -> Tensor:
        half = rows[: self.num_components]
        size = self.kernel_size
        return torch.cat([half, -half]).view(-1, self.in_channels, size, size).contiguous()


def fit_whitening(network: nn.Module, images: Tensor) -> int:
    """Fit every PatchWhitening of `network` on normalised pictures; return how many there were."""
    found = [module for module in network.modules() if isinstance(module, PatchWhitening)]
    for module in found:
        module.fit(images)
    return len(found)
