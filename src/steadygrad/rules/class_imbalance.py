"""Rule class-imbalance."""

from __future__ import annotations

from collections.abc import Iterator

from steadygrad.record import Finding, Record
from steadygrad.rules.reading import listed, majority_share, train_counts

RATIO = 10.0
"""Largest class over smallest. Losses in accuracy grow clear from here on (Buda et al., figure 3);
ordinary collections reach 4 to 8."""
MAJORITY = 0.8
"""Share of the largest class: always guessing it looks like a good accuracy."""


def class_imbalance(record: Record) -> Iterator[Finding]:
    """Some classes have so few training pictures that the others drown them.

    Severity: warning

    What
        The largest class has over 10 times the training pictures of the smallest, or over 80 % of
        all. Silent where training already weighs the classes.
    Why
        The loss is a mean over pictures: a net that never says the rare class loses little. The
        accuracy hides it, the recall of the rare class shows it.
    Fix
        `--class-weights balanced`, or more pictures of the rare classes. Judge by the recall per
        class in the report.
    Source
        Buda, Maki, Mazurowski, A systematic study of the class imbalance problem in convolutional
        neural networks (2018).
    """
    counts = train_counts(record)
    if len(counts) < 2 or not sum(counts):
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


def _count(item: tuple[str, int]) -> int:
    return item[1]
