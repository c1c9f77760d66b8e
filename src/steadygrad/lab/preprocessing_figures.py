"""The figures of the preprocessing experiment."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure

from steadygrad.lab import drawing
from steadygrad.lab.pictures import Pictures, to_tensor
from steadygrad.preprocess import Preprocess

NUM_SHOWN = 3
NUM_EIGEN = 6
NUM_PIXELS = 96
"""Pixels (from the middle of the picture) whose covariance is drawn."""


def draw_kinds(fits: dict[str, Preprocess], pictures: Pictures) -> Figure:
    """A few pictures under each preprocessing, and the mean image."""
    figure, axes = drawing.figure(
        NUM_SHOWN + 1,
        len(fits),
        height=4.6,
        caption=f"Pictures of {pictures.name} under each preprocessing (each stretched to the full "
        "range of gray); the lowest row is the mean of what comes out, black where it is zero.",
    )
    pixels = to_tensor(pictures.train)  # all: the mean of some is not zero
    for column, name in enumerate(fits):
        outputs = fits[name](pixels)
        shown = outputs.permute(0, 2, 3, 1).numpy()
        for row in range(NUM_SHOWN):
            drawing.picture(
                axes[row, column], shown[row], name.replace("mean-", "mean-\n") if row == 0 else ""
            )
            axes[row, column].title.set_fontsize(9)
        mean = np.abs(shown.mean(0))
        scale = max(float(np.abs(shown).mean()), 1e-12)
        ground = np.clip(mean / scale * 128, 0, 255).astype(np.uint8)
        drawing.picture(axes[NUM_SHOWN, column], ground)
    return figure


def draw_spectrum(
    preprocess: Preprocess, pictures: Pictures, made: dict[int, np.ndarray]
) -> Figure:
    """Variance by principal component, eigen-images, and reconstructions."""
    caption = (
        f"Principal components of {pictures.name}. Above: variance of each, and share of it kept. "
        "Middle: the first directions as pictures. Below: a picture from its first components."
    )
    drawn, axes = drawing.figure(3, NUM_EIGEN, height=6.2, caption=caption, height_ratios=(2, 1, 1))
    components = preprocess(to_tensor(pictures.train)).flatten(1).double()
    variances = components.square().mean(0).numpy()
    grid = axes[0, 0].get_gridspec()
    for place in axes[0]:
        place.remove()
    left, right = drawn.add_subplot(grid[0, :3]), drawn.add_subplot(grid[0, 3:])
    count = np.arange(1, len(variances) + 1)
    left.plot(count, np.maximum(variances, 1e-8), color=drawing.BLUE)
    left.set_yscale("log")
    drawing.label(left, "component", "variance ((pixel / 255)²)", "Spectrum")
    right.plot(count, 100 * np.cumsum(variances) / variances.sum(), color=drawing.VERMILION)
    right.set_xscale("log")
    drawing.label(right, "components kept", "variance kept (%)", "How much they hold")
    assert preprocess.matrix is not None
    channels, height, width = preprocess.shape
    for index, place in enumerate(axes[1]):
        image = preprocess.matrix[index].reshape(channels, height, width).permute(1, 2, 0).numpy()
        drawing.picture(place, image, f"direction {index + 1}")
    shown = [(f"{count} components", images[0]) for count, images in made.items()]
    shown.append(("the picture", pictures.train[0]))
    for place, (title, image) in zip(axes[2], shown):
        drawing.picture(place, image, title)
    for row in axes[1:]:
        for place in row:
            place.title.set_fontsize(9)
            place.set_axis_off()
    return drawn


def draw_covariances(fits: dict[str, Preprocess], pictures: Pictures) -> Figure:
    """Covariance of some inputs before and after PCA and whitening."""
    kinds = ("mean-image", "pca", "pca-whiten", "zca-whiten")
    figure, axes = drawing.figure(
        2,
        2,
        height=7.0,
        caption="Covariance between inputs, divided by the largest variance: pixels of neighbours "
        "go together; PCA leaves the diagonal, whitening makes it even. The scale of colours is "
        "logarithmic beyond a hundredth either way.",
    )
    for place, name in zip(axes.flat, kinds):
        flat = fits[name](to_tensor(pictures.train)).flatten(1).numpy()
        is_rotated = name.startswith("pca")
        start = 0 if is_rotated else max(0, flat.shape[1] // 2 - NUM_PIXELS // 2)
        covariance = np.cov(flat[:, start : start + NUM_PIXELS].T)
        # Variances of components differ by thousands: evenly spaced colours would show the first.
        scale = SymLogNorm(0.01, vmin=-1, vmax=1)
        image = place.imshow(covariance / np.abs(covariance).max(), cmap=drawing.SIGNED, norm=scale)
        place.grid(visible=False)
        what = "component" if is_rotated else "pixel"
        drawing.label(place, what, what, name)
        ticks = [-1, -0.1, 0, 0.1, 1]
        bar = figure.colorbar(image, ax=place, label="covariance (largest = 1)", ticks=ticks)
        bar.set_ticklabels([f"{tick:g}" for tick in ticks])
        bar.minorticks_off()
    return figure
