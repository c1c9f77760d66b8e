"""Which evaluation inputs were trained on: examples compared by their fingerprints."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from steadygrad.record import Batch, Record
from steadygrad.rules.batches import by_model, train_loader

MIN_BATCH = 8
FEW_NUMBERS = 32
"""Inputs of fewer numbers (or of integers) are equal by chance, too."""
PATTERNS = 30.0
"""Times the average input stands in the training set, from which on there are but a few patterns,
the same in all data. Oversampling a class 20 times makes 10."""
CLEAN = 8.0
"""Copies a batch should hold if all held the same share; a batch without any is other data."""
CLEAN_SHARE = 0.1
"""Of the evaluation batches that may happen to hold no copy."""


@dataclass
class Copies:
    """What evaluation and training of one model have in common."""

    batches: list[Batch]
    """Evaluation batches with examples that could be compared."""
    num_examples: int
    """Different examples of evaluation."""
    num_copies: int
    """Those that were trained on."""
    seen_fraction: float
    """Share of the training set whose fingerprints are known, at most 1."""
    seen_exactly: bool
    """Whether the size of the training set is known."""
    by_chance: float
    """Share of copies to expect because few different inputs exist."""

    @property
    def fraction(self) -> float:
        """Estimated share of evaluation examples that are in the training set."""
        return min(1.0, self.num_copies / max(1, self.num_examples) / self.seen_fraction)


def copies(record: Record) -> list[Copies]:
    """Per model, where evaluation data all hold copies; nothing where some are clean."""
    evaluations = by_model(record, "evaluation")
    found = [
        _compare(record, train, evaluations.get(model, []))
        for model, train in by_model(record, "train").items()
    ]
    return [one for one in found if one is not None]


def _compare(record: Record, train: Sequence[Batch], tests: Sequence[Batch]) -> Copies | None:
    seen = {example for b in train for example in b.examples if example}
    if _trained_on_later_only(train, tests):
        return None
    tests = [b for b in tests if sum(map(bool, b.examples)) >= MIN_BATCH and _apart(b)]
    if not seen or not tests:
        return None
    different = {example for b in tests for example in b.examples if example}
    num_copies = len(different & seen)
    share = num_copies / len(different)
    without = [b for b in tests if seen.isdisjoint(b.examples)]
    clean = any(share * len(b.examples) >= CLEAN for b in without)
    if clean or len(without) > CLEAN_SHARE * len(tests):
        return None
    size = training_size(record, train)
    fraction = min(1.0, len(seen) / size) if size else 1.0
    chance = _by_chance(train, len(seen), size)
    return Copies(list(tests), len(different), num_copies, fraction, size > 0, chance)


def _trained_on_later_only(train: Sequence[Batch], tests: Sequence[Batch]) -> bool:
    """Whether what is scored is new each time and then learned from: experience being gathered.

    Held-out data come back at the next evaluation, and leaked ones were often seen before.
    """
    learned: dict[int, int] = {}
    for batch in train:
        for example in batch.examples:
            learned.setdefault(example, batch.step)
    scored: dict[int, int] = {}
    for batch in tests:
        for example in filter(None, batch.examples):
            if learned.get(example, batch.step) < batch.step:
                return False
            if scored.setdefault(example, batch.step) != batch.step:
                return False
    return True


def _apart(batch: Batch) -> bool:
    """An evaluation proper: not the look at one batch before training begins."""
    return batch.step > 0 and (not batch.grad_enabled or not batch.training)


def training_size(record: Record, train: Sequence[Batch]) -> int:
    """Examples of the training set; 0 where unknown."""
    loader = train_loader(record)
    if loader is not None and loader.num_examples:
        return loader.num_examples
    sizes = sorted(b.size for b in train)
    return record.loop.batch_period * sizes[len(sizes) // 2]


def _by_chance(train: Sequence[Batch], num_seen: int, size: int) -> float:
    """Share of copies to expect, from how often two examples of one training batch are equal."""
    equal = pairs = 0
    for batch in train:
        examples = [example for example in batch.examples if example]
        equal += sum(math.comb(n, 2) for n in Counter(examples).values())
        pairs += math.comb(len(examples), 2)
    if "int" in train[0].dtype or math.prod(train[0].shape[1:]) < FEW_NUMBERS:
        return num_seen * (equal + 1) / pairs if pairs else 1.0
    # Rich inputs are equal only where somebody copied them: oversampling, or a handful of patterns.
    return float(bool(pairs) and size * equal / pairs > PATTERNS)
