"""The pictures a check looks at: all of a small set, an even sample of a large one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from steadygrad.errors import InputError
from steadygrad.images.dataset import MAX_BROKEN_FRACTION, Images, Progress, decode_and_audit
from steadygrad.images.randomness import generator
from steadygrad.images.source import Source, open_source
from steadygrad.images.split import split
from steadygrad.record import Recipe

MOST_FILES = 2400
"""Files decoded and audited: a few seconds on two cores."""
MOST_ROWS = 10_000
"""Pictures of a set that comes as one array; they need no decoding."""


def open_sample(
    data: str, recipe: Recipe, data_root: str | None = None, progress: Progress | None = None
) -> tuple[Images, int]:
    """Open, decode, audit and split at most a few thousand pictures of DATA; and how many it has.

    Raises InputError where training could not begin either.
    """
    source = open_source(data, data_root)
    limit = MOST_FILES if source.arrays is None else MOST_ROWS
    sample = even_sample(source, limit, recipe.seed)
    images = decode_and_audit(sample, recipe, None, progress)
    images.splits = split(
        sample, images.audit, recipe.seed, recipe.val_fraction, recipe.test_fraction
    )
    if images.audit.broken_fraction > MAX_BROKEN_FRACTION or len(images.train) < 2:
        raise InputError(
            f"{len(images.audit.broken)} of {images.audit.num_files} files of {source.name} can't "
            f"be read, and {len(images.train)} training pictures are left. See: steadygrad audit."
        )
    return images, len(source)


def even_sample(source: Source, limit: int, seed: int) -> Source:
    """At most about `limit` pictures, the same share of every class and split, drawn by the seed.

    >>> from steadygrad.images.source import open_source
    >>> digits = open_source("digits")
    >>> 190 < len(even_sample(digits, 200, 0)) < 210, even_sample(digits, 5000, 0) is digits
    (True, True)
    """
    if len(source) <= limit:
        return source
    labels = np.asarray(source.labels)
    members: dict[tuple[int, str], list[int]] = defaultdict(list)
    for index, name in enumerate(source.splits or [""] * len(source)):
        members[int(labels[index]), name].append(index)
    rng, share = generator(seed, "check"), limit / len(source)
    chosen: list[int] = []
    for group in members.values():
        order = torch.randperm(len(group), generator=rng).tolist()
        chosen += [group[place] for place in order[: max(2, round(share * len(group)))]]
    chosen.sort()
    return replace(
        source,
        names=[source.names[index] for index in chosen],
        labels=labels[chosen],
        splits=[source.splits[index] for index in chosen] if source.splits else [],
        arrays=None if source.arrays is None else source.arrays[chosen],
    )


def some_examples(images: Images, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Training pictures from as many classes as possible: pixels (n, C, H, W) uint8, labels (n,).

    Without augmentation; the same ones for one seed.
    """
    train = images.train
    order = torch.randperm(len(train), generator=generator(seed, "few")).numpy()
    labels = train.labels_of(order)
    # The first of each class, then the second of each, and so on.
    rank = np.zeros(len(order), np.int64)
    for label in np.unique(labels):
        rank[labels == label] = np.arange(int((labels == label).sum()))
    chosen = np.sort(order[np.argsort(rank, kind="stable")[:count]])
    pixels = torch.from_numpy(train.take(chosen)).permute(0, 3, 1, 2)
    return pixels, torch.from_numpy(train.labels_of(chosen))
