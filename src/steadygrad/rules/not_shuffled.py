"""Rule not-shuffled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from steadygrad.record import Batch, Finding, Record
from steadygrad.rules.batches import (
    CERTAIN,
    Labelled,
    data_where,
    label_counts,
    labelled,
    order_surprise,
    orderings,
    train_loader,
    watched_classes,
)
from steadygrad.rules.graph import graphs
from steadygrad.rules.series import one_goal

MIN_BATCHES = 4
PURE = 0.9
"""Share of a batch's largest class, median over batches. Tasks met one after the other and batches
of a few classes with several pictures each stay under it."""
MIN_ONE_CLASS = 300
"""Labels of one class and no other, from a loader that keeps the order, before it is believed."""
MIN_CLASSES = 3
"""Outputs of a head of which one class alone is no accident; with two it may be a rare class."""
SAME_EPOCHS = 3.0
MIN_PERIOD = 8
"""Batches of an epoch: in fewer every batch is most of the data, and their order matters little."""
RECURRENT = ("lstm", "gru", "rnn")
SOURCE = "Bengio, Practical recommendations for gradient-based training (2012)"


def not_shuffled(record: Record) -> Iterator[Finding]:
    """Training batches come sorted by class, or in the same order every epoch.

    Severity: error or note

    What
        Error: the batches of training hold one class each (nine tenths of the median batch), or
        their labels only ever go up, and labels drawn at random would do so less than once in a
        million times. Note: at least 8 batches have come in exactly the same order in 3 epochs.
        Training on the whole set at once, recurrent networks, regression, scripted labels (pairs,
        episodes, real and generated) are left out.
    Why
        Each batch's gradient should stand for all the data. In sorted batches the network learns to
        say the class of the moment and forgets the one before; batch statistics are those of one
        class. A fixed order makes the same batches repeat their errors epoch after epoch.
    Fix
        `DataLoader(dataset, batch_size=64, shuffle=True)` for training. In a loop of your own draw
        a new order each epoch: `for batch in torch.randperm(len(images)).split(64):`. Shuffle
        before splitting into training and validation, too.
    Source
        Bengio, Practical recommendations for gradient-based training of deep architectures (2012).
    """
    found = labelled(record)
    if not found or not one_goal(record):
        return
    shown = _sorted_by_class(found) or _one_class(record, found)
    if shown:
        yield _finding(record, found, shown)
    elif _fixed_order(record, found):
        yield _repeated(record, found)


def is_sorted(found: Labelled) -> bool:
    """Whether label counts of so few batches say nothing about the whole set."""
    return bool(_sorted_by_class(found))


def _sorted_by_class(found: Labelled) -> str:
    """What was seen, in words; empty where batches look mixed."""
    several = [(batch, labels) for batch, labels in found if len(labels) >= 4]
    counts = label_counts(several)
    if len(several) < MIN_BATCHES or len(counts) < 2:
        return ""
    share = median(max(Counter(labels).values()) / len(labels) for _, labels in several)
    total = sum(counts.values())
    largest = max(counts.values()) / total
    if share >= PURE and order_surprise(several) >= CERTAIN:
        return (
            f"The largest class has {share:.0%} of the median training batch, but {largest:.0%} "
            f"of the {total} labels seen in {len(several)} batches ({len(counts)} classes)."
        )
    joined = _longest_run(several)
    drops = sum(after < before for before, after in pairwise(joined))
    if len(set(joined)) >= 3 and drops == 0 and orderings(joined) >= CERTAIN:
        return (
            f"The labels of {len(joined)} training examples in a row only go up, from "
            f"{joined[0]} to {joined[-1]}."
        )
    return ""


def _longest_run(found: Labelled) -> list[int]:
    """Labels of the longest stretch of at least MIN_BATCHES batches of updates in a row."""
    best: list[int] = []
    current: list[int] = []
    count, last = 0, -2
    for batch, labels in found:
        if batch.step not in (last, last + 1):
            current, count = [], 0
        current, count, last = [*current, *labels], count + 1, batch.step
        if count >= MIN_BATCHES and len(current) > len(best):
            best = current
    return best


def _one_class(record: Record, found: Labelled) -> str:
    """The start of a big set sorted by class: nothing but its first class, in the order kept."""
    loader, counts = train_loader(record), label_counts(found)
    classes = watched_classes(record)
    if loader is None or loader.sampler != "SequentialSampler" or len(counts) != 1:
        return ""
    seen = sum(counts.values())
    whole = seen >= loader.num_examples > 0 or loader.iterations > 1
    if seen < MIN_ONE_CLASS or len(found) < MIN_BATCHES or classes < MIN_CLASSES or whole:
        return ""
    return (
        f"All {seen} labels of the first {len(found)} training batches are {next(iter(counts))}, "
        f"of {classes} classes, and the loader keeps the order of the data set."
    )


def _fixed_order(record: Record, found: Labelled) -> bool:
    loop = record.loop
    recurrent = any(o.name in RECURRENT for graph in graphs(record) for o in graph.operations)
    if recurrent or len(label_counts(found)) < 2:
        return False
    if loop.batch_period:
        return loop.batch_period >= MIN_PERIOD and loop.periods_seen >= SAME_EPOCHS
    return _fixed_labels(record, found)


def _fixed_labels(record: Record, found: Labelled) -> bool:
    """Augmentation hides equal batches; their labels show the order all the same."""
    loader = train_loader(record)
    if loader is None or loader.sampler != "SequentialSampler":
        return False
    if loader.iterations < SAME_EPOCHS or loader.num_batches < MIN_PERIOD:
        return False
    places: dict[int, list[list[int]]] = {}
    for batch, labels in found:
        if orderings(labels) >= CERTAIN:
            places.setdefault(batch.step % loader.num_batches, []).append(labels)
    again = [labels for labels in places.values() if len(labels) > 1]
    return bool(again) and all(one == labels[0] for labels in again for one in labels)


def _finding(record: Record, found: Labelled, saw: str) -> Finding:
    batches: list[Batch] = [batch for batch, _ in found]
    counts = label_counts(found)
    return Finding(
        rule="not-shuffled",
        severity="error",
        step=batches[-1].step,
        saw=saw,
        expected="Every batch a random draw from all classes.",
        fix="DataLoader(..., shuffle=True) for training, or a new torch.randperm(len(images)) "
        "for each epoch in a loop of your own.",
        source=SOURCE,
        where=data_where(train_loader(record), batches),
        numbers={"batches": len(found), "classes_seen": len(counts), "labels": counts.total()},
    )


def _repeated(record: Record, found: Labelled) -> Finding:
    batches = [batch for batch, _ in found]
    loader, loop = train_loader(record), record.loop
    period = loop.batch_period or (loader.num_batches if loader else 0)
    times = loop.periods_seen if loop.batch_period else float(loader.iterations if loader else 0)
    return Finding(
        rule="not-shuffled",
        severity="note",
        step=batches[-1].step,
        saw=f"The same {period} training batches came in the same order {times:.3g} times over.",
        expected="Another order, and other batches, in every epoch.",
        fix="DataLoader(..., shuffle=True) for training, or a new torch.randperm(len(images)) for "
        "each epoch; do not seed inside the epoch loop.",
        source=SOURCE,
        where=data_where(loader, batches),
        numbers={"period": period, "times": times},
    )
