"""Preprocessing pictures: what each kind does to them, to their covariance and to learning."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from steadygrad.lab.framework import Experiment, Option, Result, Verdict, at_least, at_most, near
from steadygrad.lab.pictures import Pictures, load_pictures, to_tensor
from steadygrad.lab.preprocessing_figures import draw_covariances, draw_kinds, draw_spectrum
from steadygrad.lab.training import accuracy, descend
from steadygrad.models.plain import mlp
from steadygrad.nn.initialize import initialize
from steadygrad.preprocess import PREPROCESS, Preprocess

SETS = ("fashion-mnist", "cifar10")
"""Whitening 32×32×3 numbers takes minutes: the smaller pictures first."""
KEPT = (2, 8, 32, 128)
"""Principal components kept in the reconstructions."""
LOST_DIGITS = 2e-3
"""float32 matrices of some thousand rows, against float64 sums."""
EPSILON = 1e-4
"""What `Preprocess` adds to every variance before it whitens, in (pixel / 255)²."""
FEW = 4
"""The leak is shown with one training picture to so many numbers of a picture's size: few enough
for the whitening to fit them and not the world."""


@dataclass(frozen=True)
class Leak:
    """Mean square of whitened test pixels over that of training ones, by what was fitted on."""

    train_only: float
    leaked: float
    accuracy_train_only: float
    accuracy_leaked: float


def moments(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (D,) and covariance (D, D) of flattened inputs, float64."""
    flat = inputs.flatten(1).double()
    mean = flat.mean(0)
    centred = flat - mean
    return mean, centred.T @ centred / len(flat)


def classify(preprocess: Preprocess, pictures: Pictures, values: dict[str, Any]) -> float:
    """Test accuracy of the same net, the same weights to begin with and the same steps."""
    pixels, others = pictures.pixels()
    labels, their_labels = pictures.labels()
    inputs, others = preprocess(pixels), preprocess(others)
    network = mlp(
        len(pictures.classes), inputs.shape[1], image_size=inputs.shape[2], width=values["width"]
    )
    initialize(network, generator=torch.Generator().manual_seed(values["seed"]))
    optimizer = torch.optim.SGD(network.parameters(), lr=values["lr"])
    steps = descend(
        network, optimizer, (inputs, labels), num_steps=values["num_steps"], seed=values["seed"]
    )
    finite = all(math.isfinite(loss) for loss in steps)
    return accuracy(network, others, their_labels) if finite else 1 / len(pictures.classes)


def measure_kinds(
    fits: dict[str, Preprocess], pictures: Pictures, values: dict[str, Any]
) -> list[dict[str, Any]]:
    """What each preprocessing makes of the training pictures, and how the net does with it."""
    pixels = pictures.pixels()[0]
    rows: list[dict[str, Any]] = []
    for name, preprocess in fits.items():
        inputs = preprocess(pixels)
        mean, covariance = moments(inputs)
        variances = covariance.diagonal()
        off = covariance - torch.diag(variances)
        rows.append(
            {
                "preprocessing": name,
                "smallest": float(inputs.min()),
                "largest": float(inputs.max()),
                "largest pixel mean": float(mean.abs().max()),
                "channel mean": float(inputs.double().mean((0, 2, 3)).abs().max()),
                "channel std": float(inputs.double().std((0, 2, 3), correction=0)[0]),
                "largest variance": float(variances.max()),
                "largest covariance": float(off.abs().max()),
                "test accuracy": classify(preprocess, pictures, values),
            }
        )
    return rows


def reconstructions(
    preprocess: Preprocess, pictures: Pictures, count: int
) -> tuple[np.ndarray, float, float]:
    """Pictures from their first `count` components, (N, H, W, C) in 0-255, and two errors.

    The mean squared error measured over all training pictures, and the sum of the variances left
    out, which it must equal; both in (pixel / 255)² summed over a picture.
    """
    pixels = pictures.pixels()[0]
    components = preprocess(pixels).flatten(1)
    kept = components.clone()
    kept[:, count:] = 0
    back = preprocess.invert(kept.reshape(pixels.shape))
    error = ((back - pixels).double() / 255).square().flatten(1).sum(1).mean()
    expected = components[:, count:].double().square().mean(0).sum()
    shown = back[:6].clamp(0, 255).permute(0, 2, 3, 1).numpy().round().astype(np.uint8)
    return shown, float(error), float(expected)


def measure_leak(pictures: Pictures, values: dict[str, Any]) -> Leak:
    """Fit the whitening on few training pictures, without and with the test pictures."""
    size = math.prod(pictures.train.shape[1:])
    few = max(20, min(size // FEW, len(pictures.train) // 2))
    part = Pictures(
        pictures.name,
        pictures.classes,
        pictures.train[:few],
        pictures.train_labels[:few],
        pictures.test[:few],
        pictures.test_labels[:few],
    )
    ratios: list[float] = []
    scores: list[float] = []
    for fitted_on in (part.train, np.concatenate([part.train, part.test])):
        preprocess = Preprocess.fit("pca-whiten", fitted_on)
        train, test = (
            float(preprocess(to_tensor(pixels)).square().mean())
            for pixels in (part.train, part.test)
        )
        ratios.append(test / train)
        scores.append(classify(preprocess, part, values))
    return Leak(ratios[0], ratios[1], scores[0], scores[1])


def _kind_verdicts(by_name: dict[str, dict[str, Any]]) -> list[Verdict]:
    standard, minmax = by_name["channel-mean-std"], by_name["minmax"]
    return [
        at_most(
            "mean-image: largest mean of a pixel",
            by_name["mean-image"]["largest pixel mean"],
            1e-5,
            why="float32 sums",
        ),
        at_most(
            "channel-mean-std: largest mean of a channel",
            standard["channel mean"],
            1e-5,
            why="float32 sums",
        ),
        near(
            "channel-mean-std: std of the first channel",
            standard["channel std"],
            1.0,
            absolute=1e-5,
            why="float32 sums",
        ),
        near("minmax: smallest value", minmax["smallest"], -1.0, absolute=1e-6, why="float32"),
        near("minmax: largest value", minmax["largest"], 1.0, absolute=1e-6, why="float32"),
        *_rotation_verdicts(by_name),
    ]


def _rotation_verdicts(by_name: dict[str, dict[str, Any]]) -> list[Verdict]:
    pca, whitened, zca = by_name["pca"], by_name["pca-whiten"], by_name["zca-whiten"]
    return [
        at_most(
            "pca: largest covariance over largest variance",
            pca["largest covariance"] / pca["largest variance"],
            LOST_DIGITS,
            why="float32 rotation",
        ),
        at_most(
            "pca-whiten: largest covariance, variances being 1 at most",
            whitened["largest covariance"],
            LOST_DIGITS * 10,
            why="float32, small variances are blown up",
        ),
        at_most(
            "pca-whiten: largest variance",
            whitened["largest variance"],
            1 + LOST_DIGITS * 10,
            why="v / (v + 1e-4) for a direction of variance v, never above 1",
        ),
        at_most(
            "zca-whiten: largest variance",
            zca["largest variance"],
            1 + LOST_DIGITS * 10,
            why="a rotation of the same",
        ),
    ]


def verdicts_of(
    rows: list[dict[str, Any]], errors: dict[int, tuple[float, float]], leak: Leak
) -> list[Verdict]:
    """Hold statistics, reconstructions, accuracies and the leak against the claims."""
    by_name = {row["preprocessing"]: row for row in rows}
    verdicts = _kind_verdicts(by_name)
    for count, (error, expected) in errors.items():
        verdicts.append(
            near(
                f"Reconstruction from {count} components: squared error",
                error,
                expected,
                relative=LOST_DIGITS,
                why="the variance left out; float32",
            )
        )
    none = by_name["none"]["test accuracy"]
    verdicts += [
        at_least(
            f"Test accuracy with {name} less that with raw pixels 0 to 255",
            by_name[name]["test accuracy"] - none,
            0.05,
            why="same net, rate and steps",
        )
        for name in ("channel-mean-std", "mean-image")
    ]
    verdicts += [
        at_least(
            "Whitening fitted on few pictures: test pictures come out larger by",
            leak.train_only,
            1.5,
            why="new pictures have parts the few did not show",
        ),
        at_most(
            "With test pictures leaked in, their size over the training pictures'",
            leak.leaked,
            (1 + leak.train_only) / 2,
            why="half of the warning at least is gone: the test no longer resembles use",
        ),
    ]
    return verdicts


def run(values: dict[str, Any]) -> Result:
    """Preprocess real pictures in every way and look."""
    pictures = load_pictures(
        *(SETS if values["data"] == "auto" else (values["data"],)),
        num_train=values["num_pictures"],
        num_test=values["num_pictures"] // 2,
        seed=values["seed"],
    )
    size = math.prod(pictures.train.shape[1:])
    # Once for all: whitening 3072 numbers takes many seconds.
    fits = {name: Preprocess.fit(name, pictures.train) for name in PREPROCESS}
    rows = measure_kinds(fits, pictures, values)
    made = {count: reconstructions(fits["pca"], pictures, count) for count in KEPT if count < size}
    shown = {count: restored for count, (restored, _, _) in made.items()}
    leak = measure_leak(pictures, values)
    best = max(rows, key=lambda row: row["test accuracy"])
    raw = next(row for row in rows if row["preprocessing"] == "none")
    text = (
        f"On {pictures.about} the same net gets {100 * raw['test accuracy']:.1f} % right on raw "
        f"pixels and {100 * best['test accuracy']:.1f} % with {best['preprocessing']}. Whitened "
        f"by statistics of few training pictures, test pictures come out {leak.train_only:.1f} "
        f"times as large (squared) as training ones; with the test pictures leaked into the "
        f"statistics {leak.leaked:.1f} times, and the score moves from "
        f"{100 * leak.accuracy_train_only:.1f} to {100 * leak.accuracy_leaked:.1f} %."
    )
    figures = {
        "kinds": draw_kinds(fits, pictures),
        "spectrum": draw_spectrum(fits["pca"], pictures, shown),
        "covariances": draw_covariances(fits, pictures),
    }
    errors = {count: (error, expected) for count, (_, error, expected) in made.items()}
    return Result(rows, figures, verdicts_of(rows, errors, leak), text)


EXPERIMENT = Experiment(
    name="preprocessing",
    title="Preprocessing pictures",
    claim="Subtracting the mean and dividing by the deviation makes the same net learn where raw "
    "pixels do not; PCA decorrelates, whitening makes all directions equal; the statistics are the "
    "training pictures' alone.",
    explanation="A picture is a point with a coordinate per pixel. Subtracting the mean image or "
    "the channels' means puts the cloud of pictures on the origin; dividing by the standard "
    "deviation gives it size one. Neighbouring pixels are alike, so the cloud is long in a few "
    "directions: PCA turns it onto its axes, and a few of them already show the picture. "
    "Whitening makes it round, noise included: its small directions weigh as much as the large. "
    "All these numbers are learned from the training pictures; if test pictures help, the test no "
    "longer tells how new pictures will fare.",
    source="LeCun et al. 1998, Efficient BackProp, section 4.3; Krizhevsky 2009, appendix A "
    "(whitening); Stanford CS231n, Neural Networks Part 2 (data preprocessing)",
    options=(
        Option(
            "data", "auto", "fashion-mnist", "Known set: cifar10, fashion-mnist, digits, …", str
        ),
        Option("num_pictures", 4000, 1500, "Pictures to learn from; half as many score.", int),
        Option("num_steps", 600, 150, "Steps of SGD.", int),
        Option("lr", 0.05, None, "Learning rate."),
        Option("width", 128, 64, "Units of each of the two hidden layers.", int),
    ),
    run=run,
)
