"""Rule class-imbalance."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from steadygrad.record import Finding, Record
from steadygrad.rules.batches import Labelled, data_where, label_counts, labelled, train_loader
from steadygrad.rules.graph import graphs, losses, signals
from steadygrad.rules.not_shuffled import is_sorted
from steadygrad.rules.reading import listed, majority_share, train_counts

RATIO = 10.0
"""Largest class over smallest. Losses in accuracy grow clear from here on (Buda et al., figure 3);
ordinary collections reach 4 to 8."""
MAJORITY = 0.8
"""Share of the largest class: always guessing it looks like a good accuracy."""
MIN_LABELS = 500
SURE = 3.0
"""Standard errors by which counts of a sample are corrected, against the finding."""
DROWNED = 0.99
"""Share of predictions that are one class, in each of the last watched batches."""
DROWNED_BATCHES = 3
DROWNED_STEP = 50
"""Updates before which every network may say one class."""
HANDLED = ("RandomSampler", "SequentialSampler", "")
"""Samplers that leave the shares as they are; any other was chosen for a reason."""


def class_imbalance(record: Record) -> Iterator[Finding]:
    """Some classes have so few training pictures that the others drown them.

    Severity: warning

    What
        The largest class has over 10 times the training pictures of the smallest, or over 80 % of
        all. Silent where training already weighs the classes. In a watched script the labels of at
        least 500 examples are counted: over 10 to 1 within the error of the counts, or over 80 %
        and the network says nothing else. Weighted losses, weighted samplers, labels per token or
        pixel, and classes not met yet are left out.
    Why
        The loss is a mean over pictures: a net that never says the rare class loses little. The
        accuracy hides it, the recall of the rare class shows it.
    Fix
        `--class-weights balanced`, or more pictures of the rare classes. Judge by the recall per
        class in the report. In PyTorch: `nn.CrossEntropyLoss(weight=counts.sum() / (len(counts) *
        counts))`, or a `WeightedRandomSampler`.
    Source
        Buda, Maki, Mazurowski, A systematic study of the class imbalance problem in convolutional
        neural networks (2018).
    """
    counts = train_counts(record)
    if len(counts) < 2 or not sum(counts):
        yield from _watched(record)
        return
    if record.facts.initial.get("class_weights", "none") not in ("none", None):
        return
    smallest, largest, share = min(counts), max(counts), majority_share(record)
    ratio = largest / max(smallest, 1)
    if ratio <= RATIO and share <= MAJORITY:
        return
    names = record.facts.classes or [str(index) for index in range(len(counts))]
    big = names[counts.index(largest)]
    rare = [name for name, n in sorted(zip(names, counts), key=_count) if n * RATIO < largest]
    rare = rare or [names[counts.index(smallest)]]
    yield Finding(
        rule="class-imbalance",
        severity="warning",
        step=0,
        saw=f"Training pictures per class run from {smallest} ({listed(rare)}) to {largest} "
        f"({big}): {ratio:.0f} to 1, and {share:.0%} of all are {big}.",
        expected=f"Classes within about {RATIO:.0f} to 1 of each other, none over {MAJORITY:.0%}.",
        fix="Train with `--class-weights balanced`, or collect more of the rare classes; judge by "
        "the recall per class.",
        source="Buda et al. 2018",
        numbers={"smallest": smallest, "largest": largest, "ratio": ratio, "share": share},
    )


def _watched(record: Record) -> Iterator[Finding]:
    found = labelled(record)
    counts = label_counts(found)
    if counts.total() < MIN_LABELS or len(counts) < 2 or is_sorted(found) or _handled(record):
        return
    (big, largest), (rare, smallest) = counts.most_common()[0], counts.most_common()[-1]
    sure = _sure_ratio(largest, smallest)
    share, said = largest / counts.total(), _majority_said(record)
    if sure <= RATIO and not (share > MAJORITY and said >= DROWNED):
        return
    yield _seen(record, found, counts, (big, rare), said)


def _sure_ratio(largest: int, smallest: int) -> float:
    """The ratio of the two classes that a sample with these counts proves."""
    low = largest - SURE * math.sqrt(largest)
    high = smallest + SURE * math.sqrt(smallest) + SURE
    return low / high


def _handled(record: Record) -> bool:
    """Whether the loss or the sampler weighs classes, or weighs examples by hand."""
    loader = train_loader(record)
    if loader is not None and loader.sampler not in HANDLED:
        return True
    found = [g.operations[i].attributes for g in graphs(record) for i in losses(g)]
    return any(a.get("weighted") or a.get("reduction") == "none" for a in found)


def _majority_said(record: Record) -> float:
    """Smallest share of the class predicted most in the last watched batches; 0 where unknown."""
    layers = {g.operations[i].layer for g in graphs(record) for i in losses(g)}
    shares = [
        line.values["majority_share"]
        for layer in layers
        for line in signals(record, layer)
        if "majority_share" in line.values and line.step >= DROWNED_STEP
    ]
    return min(shares[-DROWNED_BATCHES:]) if len(shares) >= DROWNED_BATCHES else 0.0


def _seen(
    record: Record, found: Labelled, counts: Counter[int], ends: tuple[int, int], said: float
) -> Finding:
    big, rare = ends
    total, batches = counts.total(), [batch for batch, _ in found]
    also = f" The network says one class for {said:.0%} of a batch." if said >= DROWNED else ""
    return Finding(
        rule="class-imbalance",
        severity="warning",
        step=batches[-1].step,
        saw=f"Of {total} training labels seen {counts[big]} ({counts[big] / total:.0%}) are class "
        f"{big} and {counts[rare]} class {rare}: {counts[big] / counts[rare]:.0f} to 1, and "
        f"neither loss nor sampler weighs them.{also}",
        expected=f"Classes within about {RATIO:.0f} to 1 of each other, or weighed.",
        fix="nn.CrossEntropyLoss(weight=total / (num_classes * counts)), BCEWithLogitsLoss("
        "pos_weight=negatives / positives), or a WeightedRandomSampler; judge by the recall per "
        "class.",
        source="Buda et al. 2018",
        where=data_where(train_loader(record), batches),
        numbers={
            "smallest": counts[rare],
            "largest": counts[big],
            "ratio": counts[big] / counts[rare],
            "share": counts[big] / total,
        },
    )


def _count(item: tuple[str, int]) -> int:
    return item[1]
