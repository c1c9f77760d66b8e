"""Rule input-mismatch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev

from steadygrad.record import Batch, Finding, Record
from steadygrad.rules.batches import by_model, data_where, evaluation_loader

MIN_TRAIN_BATCHES = 3
MIN_EXAMPLES = 16
"""Of evaluation: the mean of fewer says little."""
MIN_FEATURES = 4
"""Numbers of an example. Curves and planes are looked at beyond what was trained on."""
FACTOR = 2.5
"""Ratio of standard deviations beyond all training batches. Noise, mixup and colour changes stay
within 1.5; a forgotten division by MNIST's or ImageNet's std makes 3.2 and 4.4."""
SHIFT = 1.5
"""Distance of means beyond all training batches, in the larger standard deviation; a batch of one
class is rarely further than 0.7."""
MAPPED = 1.5
"""Another scale, where smallest, largest, mean and standard deviation all agree on it: pixels in
0..1 against -1..1 are a factor of 2."""
MAPPED_SHIFT = 0.75
"""The same for another zero, in standard deviations."""
LOOSE = 4.0
"""FACTOR and SHIFT are so much wider for inputs that are neither pictures nor have class labels:
the later part of a series drifts away from the earlier one by nature."""
AGREEMENT = 0.2
"""How well they must agree: relative for the scale, in standard deviations for the mean."""
SHARE = 1 / 3
"""Of the evaluation batches that must differ: training accuracy may be looked at beside."""
SWAPPED = 0.35
"""How far first and last channel may miss each other's places, of their distance."""
SWAP_SURE = 8.0
"""Distance in standard errors of a batch's mean."""
SWAP_SHIFT = 0.15
"""Of channels normalised by each other's statistics, in standard deviations: 0.2 on CIFAR-10."""
INTEGERS = ("int", "uint", "bool", "long")


@dataclass
class Scale:
    """Where the numbers of training batches lie."""

    mean: float
    means: tuple[float, float]
    std: float
    stds: tuple[float, float]
    low: float
    high: float


def input_mismatch(record: Record) -> Iterator[Finding]:
    """The model is evaluated on inputs of another scale or channel order than it learned from.

    Severity: error

    What
        Inputs of evaluation against inputs of training, for the same model: a standard deviation
        2.5 times smaller or larger than in any training batch, a mean 1.5 standard deviations away,
        or pixels that are the training pixels on another scale (smallest, largest, mean and
        standard deviation agree on it); or first and last colour channel in each other's place. It
        takes 3 training batches and a third of the evaluation batches. Series and other inputs
        without class labels get four times the room; models are never compared with each other.
    Why
        The network meets numbers it has never seen. Training looks fine, validation is poor or
        stays at guessing, and it looks like overfitting.
    Fix
        Use one preprocessing for both: the same `Normalize(mean, std)`, once, after the same
        `ToTensor`; a scaler fitted on the training data, and `scaler.transform` for the rest;
        pictures opened by the same library (OpenCV gives BGR, Pillow RGB).
    Source
        Breck et al., Data Validation for Machine Learning (2019), training-serving skew.
    """
    evaluations = by_model(record, "evaluation")
    for model, batches in by_model(record, "train").items():
        train = [b for b in batches if _usable(b)]
        known = {example for b in train for example in b.examples if example}
        tests = [b for b in evaluations.get(model, []) if _usable(b) and not _known(b, known)]
        if len(train) < MIN_TRAIN_BATCHES and record.loop.batch_period not in (1, 2):
            continue
        if not train or sum(b.size for b in tests) < MIN_EXAMPLES:
            continue
        scale = _scale(train)
        off = [b for b in tests if _differs(b, scale)]
        if off and len(off) >= SHARE * len(tests):
            yield _scale_finding(record, scale, off, len(tests))
            return
        if _swapped(train, tests):
            yield _swap_finding(record, train, tests)
            return


def _usable(batch: Batch) -> bool:
    values = [batch.inputs.get(key, math.nan) for key in ("mean", "std", "min", "max")]
    return (
        not batch.dtype.removeprefix("torch.").startswith(INTEGERS)
        and math.prod(batch.shape[1:]) >= MIN_FEATURES
        and all(math.isfinite(value) for value in values)
        and batch.inputs["std"] > 0
    )


def _known(batch: Batch, known: set[int]) -> bool:
    """Whether evaluation looks at training data as well: most of its examples were trained on."""
    examples = [example for example in batch.examples if example]
    return 2 * sum(example in known for example in examples) > len(examples) > 0


def _scale(train: Sequence[Batch]) -> Scale:
    means = [b.inputs["mean"] for b in train]
    stds = [b.inputs["std"] for b in train]
    return Scale(
        median(means),
        (min(means), max(means)),
        median(stds),
        (min(stds), max(stds)),
        median(b.inputs["min"] for b in train),
        median(b.inputs["max"] for b in train),
    )


def _differs(batch: Batch, scale: Scale) -> bool:
    mean, std = batch.inputs["mean"], batch.inputs["std"]
    plain = len(batch.shape) >= 4 or bool(batch.labels)
    slack = 1.0 if plain else LOOSE
    if std > slack * FACTOR * scale.stds[1] or slack * FACTOR * std < scale.stds[0]:
        return True
    beyond = max(scale.means[0] - mean, mean - scale.means[1])
    far = beyond > slack * SHIFT * max(std, scale.stds[1])
    return far or (plain and _mapped(batch, scale))


def _mapped(batch: Batch, scale: Scale) -> bool:
    """Whether one factor and one shift turn training inputs into these."""
    values = batch.inputs
    if scale.high <= scale.low or values["max"] <= values["min"]:
        return False
    factor = (values["max"] - values["min"]) / (scale.high - scale.low)
    mean = values["min"] + factor * (scale.mean - scale.low)
    std = factor * scale.std
    if abs(std - values["std"]) > AGREEMENT * values["std"]:
        return False
    if abs(mean - values["mean"]) > AGREEMENT * values["std"]:
        return False
    shift = abs(values["mean"] - scale.mean) / max(values["std"], scale.std)
    return max(factor, 1 / factor) > MAPPED or shift > MAPPED_SHIFT


def _swapped(train: Sequence[Batch], tests: Sequence[Batch]) -> bool:
    """Whether first and last of three channels are in each other's place."""
    train = [b for b in train if len(b.channel_means) == 3]
    tests = [b for b in tests if len(b.channel_means) == 3 and len(set(b.labels)) != 1]
    if len(train) < MIN_TRAIN_BATCHES + 2 or sum(b.size for b in tests) < 4 * MIN_EXAMPLES:
        return False
    before, after = [_difference(b) for b in train], [_difference(b) for b in tests]
    there, here = fmean(before), fmean(after)
    batch_error = stdev(before) * math.sqrt(fmean(b.size for b in train))
    error = batch_error * math.sqrt(1 / sum(b.size for b in tests) + 1 / sum(b.size for b in train))
    moved = abs(here - there)
    middle = abs(fmean(_middle(b) for b in tests) - fmean(_middle(b) for b in train))
    if moved <= SWAP_SURE * error or middle > SWAPPED * moved / 2:
        return False
    std = fmean(b.inputs["std"] for b in train)
    crossed = abs(here + there) <= SWAPPED * abs(there)
    shifted = moved > 2 * SWAP_SHIFT * std and abs(there) < SWAPPED * moved
    return crossed or shifted


def _difference(batch: Batch) -> float:
    return batch.channel_means[0] - batch.channel_means[2]


def _middle(batch: Batch) -> float:
    """The middle channel against the others: a swap leaves it."""
    return batch.channel_means[1] - (batch.channel_means[0] + batch.channel_means[2]) / 2


def _scale_finding(record: Record, scale: Scale, off: Sequence[Batch], total: int) -> Finding:
    batch = off[0]
    mean, std = batch.inputs["mean"], batch.inputs["std"]
    low, high = batch.inputs["min"], batch.inputs["max"]
    return Finding(
        rule="input-mismatch",
        severity="error",
        step=batch.step,
        saw=f"In evaluation the inputs have mean {mean:.3g}, standard deviation {std:.3g} and lie "
        f"in {low:.3g} to {high:.3g}; in training mean {scale.mean:.3g}, standard deviation "
        f"{scale.std:.3g}, {scale.low:.3g} to {scale.high:.3g} ({len(off)} of {total} evaluation "
        "batches).",
        expected="The same scale in both: means and standard deviations within a few tenths.",
        fix="Give training and evaluation one and the same preprocessing: the same division by "
        "255, the same Normalize(mean, std), each applied once.",
        source="Breck et al. 2019, training-serving skew",
        where=data_where(evaluation_loader(record), off),
        numbers={
            "train_mean": scale.mean,
            "train_std": scale.std,
            "evaluation_mean": mean,
            "evaluation_std": std,
        },
    )


def _swap_finding(record: Record, train: Sequence[Batch], tests: Sequence[Batch]) -> Finding:
    before = [fmean(b.channel_means[c] for b in train) for c in range(3)]
    after = [fmean(b.channel_means[c] for b in tests) for c in range(3)]
    return Finding(
        rule="input-mismatch",
        severity="error",
        step=tests[0].step,
        saw=f"The channel means are {_numbers(before)} in training and {_numbers(after)} in "
        "evaluation: first and last channel have changed places.",
        expected="The same order of channels in both.",
        fix="Open all pictures the same way: cv2.imread gives BGR, so add "
        "cv2.cvtColor(image, cv2.COLOR_BGR2RGB) where it is used.",
        source="channel means of training and evaluation batches",
        where=data_where(evaluation_loader(record), tests),
        numbers={"train_channel_means": before, "evaluation_channel_means": after},
    )


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.3g}" for value in values)
