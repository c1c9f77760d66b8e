"""Rule augmented-evaluation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

from steadygrad.record import Batch, Finding, Record
from steadygrad.rules.batches import (
    CERTAIN,
    data_where,
    evaluation_loader,
    label_counts,
    labelled,
    looks_at_training,
    main_model,
    orderings,
)

MIN_LABELS = 8
MIN_RUNS = 2
MIN_RUNS_SORTED = 3
"""Where labels come sorted, another data set (validation, then test) begins with the same ones."""
SAME = 0.9
"""Share of equal examples that shows a fixed data set; a random mirror image leaves a half."""


def augmented_evaluation(record: Record) -> Iterator[Finding]:
    """Evaluation pictures change from pass to pass.

    Severity: warning

    What
        Evaluations of one model met the same labels in the same order, or a loader that keeps the
        order (so the same examples), but no two of them the same inputs. Evaluation data in a new
        order each time, test-time augmentation beside the plain pictures, episodes and pairs are
        left out.
    Why
        Random crops, flips, noise or erasing made for training are applied to what scores the
        model. The score is too low and jumps; epochs are compared on different questions.
    Fix
        Give the evaluation set a transform of its own without randomness: Resize, CenterCrop,
        ToTensor, Normalize. After `random_split` both parts share one data set and its transform:
        build the data set twice, with either transform, and take `Subset`s by the same indices.
    Source
        Krizhevsky, Sutskever, Hinton, ImageNet Classification with Deep Convolutional Neural
        Networks (2012), section 4.1: random crops to train, fixed ones to test.
    """
    # Not `labelled`: it leaves out scripted labels, and those are what this is about.
    train = [tuple(b.labels) for b in record.batches if b.kind == "train"]
    training = {labels for labels in train if len(set(labels)) > 1}
    sequences: dict[tuple[str, int, tuple[int, ...]], dict[int, list[Batch]]] = {}
    everything = labelled(record, "evaluation")
    counts = label_counts(everything + labelled(record))
    for batch, labels in everything:
        if len(labels) >= MIN_LABELS and any(batch.examples) and tuple(labels) not in training:
            key = (str(batch.shape), batch.where.line or 0, tuple(labels))
            sequences.setdefault(key, {}).setdefault(batch.step, []).append(batch)
    for (_, _, labels), runs in sequences.items():
        needed = _runs_needed(labels, counts)
        if needed and len(runs) >= needed and not _scripted(runs) and _changing(runs):
            yield _finding(record, runs, f"the same {len(labels)} labels came in the same order")
            return
    runs = _in_order(record) if counts else {}
    if len(runs) >= MIN_RUNS_SORTED and _changing(runs):
        yield _finding(record, runs, "a loader that keeps the order gave the first inputs")


def _in_order(record: Record) -> dict[int, list[Batch]]:
    """First batches of the evaluations, where a single loader gives them in the data set's order.

    It needs no labels: accuracy alone may be counted.
    """
    loaders = [loader for loader in record.loop.loaders if loader.kind == "evaluation"]
    if len(loaders) != 1 or loaders[0].sampler != "SequentialSampler":
        return {}
    if looks_at_training(record) or loaders[0].iterations < MIN_RUNS_SORTED:
        return {}
    runs: dict[int, list[Batch]] = {}
    size = min(loaders[0].batch_size, loaders[0].num_examples)
    for batch in record.batches:
        first = batch.kind == "evaluation" and batch.model == main_model(record)
        if first and batch.size == size >= MIN_LABELS and any(batch.examples):
            runs.setdefault(batch.step, []).append(batch)
    return runs if len({str(b.shape) for found in runs.values() for b in found}) == 1 else {}


def _changing(runs: dict[int, list[Batch]]) -> bool:
    """Whether no two evaluations had the same inputs."""
    return max(_equal(a, b) for a, b in combinations(runs.values(), 2)) < SAME


def _runs_needed(labels: Sequence[int], counts: Counter[int]) -> int:
    """Evaluations after which equal labels can't be an accident; 0: never."""
    rising = all(a <= b for a, b in pairwise(labels))
    if not rising and orderings(labels) >= CERTAIN:
        return MIN_RUNS
    return MIN_RUNS_SORTED if len(counts) > 1 else 0


def _scripted(runs: dict[int, list[Batch]]) -> bool:
    """Whether one evaluation meets these labels with many different inputs."""
    return any(len(batches) > 2 for batches in runs.values())


def _equal(first: Sequence[Batch], second: Sequence[Batch]) -> float:
    """Largest share of a batch's examples that the other evaluation has seen, too."""
    known = {example for batch in second for example in batch.examples}
    return max(
        sum(example in known for example in batch.examples) / len(batch.examples)
        for batch in first
        if batch.examples
    )


def _finding(record: Record, runs: dict[int, list[Batch]], fixed: str) -> Finding:
    batches = [batch for found in runs.values() for batch in found]
    size = len(batches[0].examples)
    share = max(_equal(a, b) for a, b in combinations(runs.values(), 2))
    return Finding(
        rule="augmented-evaluation",
        severity="warning",
        step=batches[-1].step,
        saw=f"In {len(runs)} evaluations {fixed}, but of {size} inputs at most {share:.0%} were "
        "the same from one to the other.",
        expected="Exactly the same inputs in every evaluation.",
        fix="Give the evaluation set its own transform without RandomCrop, RandomHorizontalFlip, "
        "ColorJitter or noise; after random_split build the data set twice and use Subset.",
        source="fingerprints of evaluation inputs",
        where=data_where(evaluation_loader(record), batches),
        numbers={"evaluations": len(runs), "same_fraction": share},
    )
