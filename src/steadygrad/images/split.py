"""Which pictures are learned from, which choose the model, which score it."""

from __future__ import annotations

import hashlib

import numpy as np

from steadygrad.errors import InputError
from steadygrad.images.audit import Audit, given_splits
from steadygrad.images.source import Source

SPLITS = ("train", "val", "test")


def split(
    source: Source, audit: Audit, seed: int, val_fraction: float, test_fraction: float
) -> dict[str, np.ndarray]:
    """Sorted indices (int64) under "train", "val" and "test"; each picture in at most one.

    Broken and unlabelled pictures are left out. Given splits are kept. What is missing is cut from
    the training pictures, per class in proportion: a test split only where neither val nor test is
    given (a given val without a test stays a val: pictures that chose the model can't score it),
    then a val split of `val_fraction` of what is left. Copies of a picture stay together; groups
    whose labels disagree stay in train. A class with 2 pictures (copies count as one) has one in
    val, with 3 one in test too; with 1 it is for training only. The result depends on seed, names
    and groups, not on the order of the files.
    """
    for name, fraction in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
        if not 0 <= fraction < 1:
            raise InputError(f"{name} is {fraction}; expected 0 (none) or more, and less than 1.")
    given = np.array(given_splits(source), dtype=object)
    use = audit.usable & (np.asarray(source.labels) >= 0)
    has = {name: bool((given[use] == name).any()) for name in SPLITS}
    if any(has.values()) and not has["train"]:
        raise InputError(
            f"{source.name} gives {' and '.join(s for s in SPLITS if has[s])} pictures but none to "
            "train on. Expected a train split beside them."
        )
    result = {name: np.flatnonzero(use & (given == name)) for name in SPLITS}
    if not any(has.values()):
        result["train"] = np.flatnonzero(use)
    if not has["val"] and not has["test"]:
        # The test split leaves one picture of a class for training, and one for val if wanted.
        reserve = 2 if val_fraction else 1
        result["test"] = cut(source, audit, result["train"], test_fraction, f"{seed} test", reserve)
        result["train"] = np.setdiff1d(result["train"], result["test"])
    if not has["val"]:
        result["val"] = cut(source, audit, result["train"], val_fraction, f"{seed} val", 1)
        result["train"] = np.setdiff1d(result["train"], result["val"])
    return result


def given_split(source: Source, audit: Audit) -> dict[str, np.ndarray]:
    """The splits the data gives and nothing else; broken and unlabelled pictures are left out."""
    use = audit.usable & (np.asarray(source.labels) >= 0)
    given = np.array(given_splits(source), dtype=object)
    return {name: np.flatnonzero(use & (given == name)) for name in SPLITS}


def cut(
    source: Source, audit: Audit, pool: np.ndarray, fraction: float, salt: str, reserve: int
) -> np.ndarray:
    """Sorted indices of about `fraction` of `pool`: stratified, whole groups of copies only.

    At least `reserve` groups of each class are left; a class with more gives at least one.
    """
    if fraction == 0:
        return np.zeros(0, np.int64)
    counts = np.bincount(source.labels[pool], minlength=len(source.classes))
    wanted = apportion(counts, fraction)
    taken: list[int] = []
    for label, groups in _groups_by_class(source, audit, pool).items():
        most = len(groups) - reserve
        taken += _take(_shuffled(groups, source, salt), max(int(wanted[label]), 1), most)
    return np.array(sorted(taken), np.int64)


def deal(
    source: Source, audit: Audit, pool: np.ndarray, number: int, salt: str
) -> tuple[list[np.ndarray], tuple[int, int]]:
    """`pool` dealt into `number` parts of about one size: stratified, whole groups of copies only.

    Sorted indices per part, and the class with the fewest groups with how many it has. Groups whose
    labels disagree are in no part.
    """
    parts: list[list[int]] = [[] for _ in range(number)]
    by_class = _groups_by_class(source, audit, pool)
    for groups in by_class.values():
        mine = [0] * number
        for group in sorted(_shuffled(groups, source, salt), key=len, reverse=True):
            place = min(range(number), key=lambda part: (mine[part], len(parts[part]), part))
            mine[place] += len(group)
            parts[place] += group
    sizes = {label: len(by_class.get(label, [])) for label in range(len(source.classes))}
    fewest = min(sizes, key=lambda label: sizes[label])
    return [np.array(sorted(part), np.int64) for part in parts], (fewest, sizes[fewest])


def apportion(counts: np.ndarray, fraction: float) -> np.ndarray:
    """Whole pictures per class that add up to round(fraction · total); largest remainders first.

    >>> apportion(np.array([5, 5, 5, 5]), 0.1).tolist()
    [1, 1, 0, 0]
    """
    exact = counts * fraction
    whole = np.floor(exact + 1e-9).astype(np.int64)
    left = round(float(exact.sum())) - int(whole.sum())
    order = np.argsort(-(exact - whole), kind="stable")
    whole[order[: max(left, 0)]] += 1
    return whole


def _groups_by_class(source: Source, audit: Audit, pool: np.ndarray) -> dict[int, list[list[int]]]:
    """Label → groups of copies (lists of indices) whose pictures all have it."""
    together: dict[int, list[int]] = {}
    for index in pool.tolist():
        together.setdefault(int(audit.groups[index]), []).append(index)
    result: dict[int, list[list[int]]] = {}
    for group in together.values():
        labels = {int(source.labels[index]) for index in group}
        if len(labels) == 1:
            result.setdefault(labels.pop(), []).append(group)
    return result


def _shuffled(groups: list[list[int]], source: Source, salt: str) -> list[list[int]]:
    """Groups in an order drawn from salt and names: one picture more moves few others."""

    def rank(group: list[int]) -> tuple[bytes, str]:
        name = min(source.names[index] for index in group)
        text = f"{salt}\0{name}".encode("utf-8", "surrogateescape")
        return hashlib.blake2b(text, digest_size=16).digest(), name

    return sorted(groups, key=rank)


def _take(groups: list[list[int]], wanted: int, most: int) -> list[int]:
    """Up to `most` whole groups of together at most `wanted` pictures, but at least one group."""
    if most < 1:
        return []
    taken: list[int] = []
    for group in groups:
        if most and len(taken) + len(group) <= wanted:
            taken += group
            most -= 1
    return taken or list(min(groups, key=len))


def split_notes(source: Source, splits: dict[str, np.ndarray]) -> list[str]:
    """Sentences on classes too small to be in every split that exists."""
    notes: list[str] = []
    for name in ("val", "test"):
        if not len(splits[name]):
            continue
        present = set(source.labels[splits[name]].tolist())
        absent = [c for label, c in enumerate(source.classes) if label not in present]
        if absent:
            listed = ", ".join(absent[:5]) + (", …" if len(absent) > 5 else "")
            notes.append(f"{len(absent)} of the classes have no picture in {name}: {listed}.")
    return notes
