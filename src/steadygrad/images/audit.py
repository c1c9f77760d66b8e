"""What is wrong with a set of pictures before anybody trains on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from steadygrad.images.duplicates import exact_groups, join, near_pairs
from steadygrad.images.source import Source

if TYPE_CHECKING:  # the cache needs torch, the audit does not
    from steadygrad.images.cache import Cache, FileInfo

MAX_GROUPS = 200
"""Groups per list in `Audit.to_dict`; `num_…` beside each list is the full count."""
MAX_MEMBERS = 50
"""Names per group in `Audit.to_dict`: a thousand black pictures are one line, not a page."""
MAX_BROKEN = 10_000
NOT_SPLIT = "all"
"""The split's name in counts where the data gives none."""
HELD_OUT = {"val": ("train",), "test": ("train", "val")}
"""Split → the splits that teach or choose the model it is meant to score."""
GROUP_LISTS = ("exact_duplicates", "near_duplicates", "across_splits", "conflicting_labels")


@dataclass
class Audit:
    """The findings about N pictures; names are those of the Source."""

    classes: tuple[str, ...]
    num_files: int
    groups: np.ndarray
    """(N,) int64: equal numbers are exact or near duplicates; the smallest index of the group."""
    usable: np.ndarray
    """(N,) bool: decodes."""
    broken: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    exact_duplicates: list[list[str]] = field(default_factory=list[list[str]])
    """Same bytes, or same pixels and size."""
    near_duplicates: list[list[str]] = field(default_factory=list[list[str]])
    """Groups in which at least one picture is a changed copy (it may hold exact ones too)."""
    across_splits: list[list[str]] = field(default_factory=list[list[str]])
    conflicting_labels: list[list[str]] = field(default_factory=list[list[str]])
    leaked: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    """Held-out split → {"exact", "near", "pictures"}: copies of earlier splits' pictures."""
    missing_classes: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    class_counts: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    """Usable pictures per given split ("all" where none is given) and class."""
    num_unlabelled: int = 0
    sizes: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    modes: dict[str, int] = field(default_factory=dict[str, int])
    formats: dict[str, int] = field(default_factory=dict[str, int])
    notes: list[str] = field(default_factory=list[str])

    @property
    def broken_fraction(self) -> float:
        """Share of the files that give no picture."""
        return len(self.broken) / self.num_files if self.num_files else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain data for `Facts.audit`; long lists are cut, the counts beside them are not."""
        values: dict[str, Any] = {
            "num_files": self.num_files,
            "num_broken": len(self.broken),
            "broken": self.broken[:MAX_BROKEN],
            "num_unlabelled": self.num_unlabelled,
        }
        for name in GROUP_LISTS:
            groups: list[list[str]] = getattr(self, name)
            values[f"num_{name}"] = len(groups)
            values[name] = [group[:MAX_MEMBERS] for group in groups[:MAX_GROUPS]]
        for name in ("leaked", "missing_classes", "class_counts", "sizes", "modes", "formats"):
            values[name] = dict(getattr(self, name))
        return {**values, "notes": list(self.notes)}


def audit(source: Source, cache: Cache) -> Audit:
    """Look at every decoded picture once: broken files, duplicates, leakage, classes, sizes.

    Mirrored or rotated copies are not looked for. Cost: docs/audit.md.
    """
    files = cache.files
    usable = np.array([info.error is None for info in files], bool)
    exact = exact_groups(cache.pixels, [_key(info) for info in files])
    first = np.flatnonzero((exact == np.arange(len(files))) & usable)
    near = near_pairs(cache.pixels, first)
    same = np.stack([np.arange(len(files)), exact], 1)
    groups = join(len(files), np.concatenate([same, near.pairs]))
    result = Audit(
        classes=source.classes,
        num_files=len(files),
        groups=groups,
        usable=usable,
        broken=[{"name": i.name, "reason": i.error} for i in files if i.error is not None],
        num_unlabelled=int((np.asarray(source.labels) < 0).sum()),
        sizes=_sizes([info for info in files if info.error is None]),
        modes=_most_common(info.mode for info in files if info.error is None),
        formats=_most_common(info.format for info in files if info.error is None),
        notes=[*source.notes, *near.notes],
    )
    _sort_groups(result, source, exact)
    _count_classes(result, source)
    return result


def given_splits(source: Source) -> list[str]:
    """The split of each picture; where only some are given, the rest is for training.

    >>> given_splits(Source("s", None, ("a",), ["x", "y"], np.zeros(2, np.int64), ["test", ""]))
    ['test', 'train']
    """
    if not any(source.splits):
        return list(source.splits)
    return [split or "train" for split in source.splits]


def members(numbers: np.ndarray) -> list[np.ndarray]:
    """Indices of each group of two or more equal numbers, in the order of their first member.

    >>> [group.tolist() for group in members(np.array([0, 1, 0, 3]))]
    [[0, 2]]
    """
    order = np.argsort(numbers, kind="stable")
    cuts = np.flatnonzero(np.diff(numbers[order])) + 1
    return [group for group in np.split(order, cuts) if len(group) > 1]


def _key(info: FileInfo) -> tuple[str, int, int] | None:
    return None if info.error is not None else (info.digest, info.width, info.height)


def _sizes(files: Sequence[FileInfo]) -> dict[str, list[int]]:
    if not files:
        return {}
    sides = np.array([(info.width, info.height) for info in files])
    kinds = {"min": sides.min(0), "median": np.median(sides, 0), "max": sides.max(0)}
    return {kind: [round(float(side)) for side in value] for kind, value in kinds.items()}


def _most_common(values: Any) -> dict[str, int]:
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def _sort_groups(result: Audit, source: Source, exact: np.ndarray) -> None:
    """Fill the four lists of groups, and count what leaks."""
    splits = np.array(given_splits(source), dtype=object)
    for group in members(result.groups):
        names = sorted(source.names[index] for index in group)
        is_near = len(set(exact[group].tolist())) > 1
        (result.near_duplicates if is_near else result.exact_duplicates).append(names)
        labels = {label for label in source.labels[group].tolist() if label >= 0}
        if len(labels) > 1:
            result.conflicting_labels.append(names)
        if len(set(splits[group])) > 1:
            result.across_splits.append(names)
            _count_leaks(result, splits[group], exact[group])
    for name in GROUP_LISTS:
        getattr(result, name).sort()


def _count_leaks(result: Audit, splits: np.ndarray, exact: np.ndarray) -> None:
    for held_out, earlier in HELD_OUT.items():
        seen = np.isin(splits, earlier)
        copies = splits == held_out
        if not seen.any() or not copies.any():
            continue
        counts = result.leaked.setdefault(held_out, {"exact": 0, "near": 0})
        to_the_pixel = int(np.isin(exact[copies], exact[seen]).sum())
        counts["exact"] += to_the_pixel
        counts["near"] += int(copies.sum()) - to_the_pixel


def _count_classes(result: Audit, source: Source) -> None:
    splits = np.array([split or NOT_SPLIT for split in given_splits(source)], dtype=object)
    order = [split for split in (NOT_SPLIT, "train", "val", "test") if split in set(splits)]
    for split in order:
        here = source.labels[result.usable & (splits == split) & (source.labels >= 0)]
        counts = np.bincount(here, minlength=len(source.classes)).tolist()
        result.class_counts[split] = dict(zip(source.classes, counts))
        missing = [name for name, count in zip(source.classes, counts) if count == 0]
        if missing:
            result.missing_classes[split] = missing
        if split in result.leaked:
            result.leaked[split]["pictures"] = sum(counts)
