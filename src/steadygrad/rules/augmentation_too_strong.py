"""Rule augmentation-too-strong."""

from __future__ import annotations

from collections.abc import Iterator

from steadygrad.record import Epoch, Finding, Graph, Record
from steadygrad.rules.batches import data_where, foreign, train_loader
from steadygrad.rules.dropout_misuse import DROPOUTS
from steadygrad.rules.graph import graphs, losses, source

MIN_EVALUATIONS = 4
LATE = 3
"""Evaluations at the end that all must show it: the first ones compare a training accuracy taken
while the network learned with the accuracy after."""
GAP = 0.25
"""Validation accuracy minus training accuracy, smallest of the last evaluations."""
POOR = 0.6
"""Training accuracy over validation accuracy, largest of the last evaluations. Six healthy kinds of
augmentation on Fashion-MNIST ended at 0.82 to 1.01 (gap up to 0.13); crops down to 8 % of the area
with dropout 0.5 besides at 0.70 (0.22)."""
MOST_DROPPED = 0.6
"""Dropout beyond it makes such a gap by itself."""
LN2 = 0.693
"""A wrong answer has at most probability one half: the cross entropy is at least the share of
wrong answers times this."""
FLOAT = ("float", "half", "bfloat", "double")


def augmentation_too_strong(record: Record) -> Iterator[Finding]:
    """Training accuracy stays far under validation accuracy.

    Severity: warning

    What
        In each of the last 3 of at least 4 evaluations the training accuracy is under 60 % of the
        validation accuracy and at least 25 points below it. Mixed pictures (mixup, cutmix), whose
        training accuracy means nothing, and networks with dropout over 0.6 are left out.
    Why
        The training pictures are changed so much that their class can't be told: the network spends
        itself on noise, and pictures as they are become strange to it.
    Fix
        Look at a dozen augmented pictures: a person must name them at a glance. Reduce rotation,
        erasing and noise, crop no smaller than half of the picture
        (`RandomResizedCrop(size, scale=(0.5, 1))`); in `steadygrad train` `--min-crop 0.5`,
        `--rotation 15`, `--erasing 0`, `--colour 0.2`.
    Source
        Cubuk et al., RandAugment (2020): accuracy rises with strength and then falls.
    """
    scored = [e for e in record.epochs if e.train_accuracy is not None and e.val_accuracy]
    late = scored[-LATE:]
    excused = any(_is_mixed(graph) or _drops_much(graph) for graph in graphs(record))
    if len(scored) < MIN_EVALUATIONS or excused:
        return
    gap = min(_gap(epoch) for epoch in late)
    ratio = max((e.train_accuracy or 0.0) / (e.val_accuracy or 1.0) for e in late)
    if gap < GAP or ratio > POOR or not all(_consistent(epoch) for epoch in late):
        return
    if len({epoch.train_accuracy for epoch in late}) == 1:
        return  # not measured anew
    last = late[-1]
    training = [batch for batch in record.batches if batch.kind == "train"]
    yield Finding(
        rule="augmentation-too-strong",
        severity="warning",
        step=last.step,
        saw=f"Training accuracy is {last.train_accuracy:.1%}, validation accuracy "
        f"{last.val_accuracy:.1%}; the gap was at least {gap:.0%} in the last {LATE} of "
        f"{len(scored)} evaluations.",
        expected="Training accuracy above validation accuracy, or a little below it under "
        "augmentation and dropout.",
        fix="Look at augmented pictures and weaken what hides their class: less rotation, erasing "
        "and noise, RandomResizedCrop(size, scale=(0.5, 1))."
        if foreign(record)
        else "`--min-crop 0.5`, `--rotation 15`, `--erasing 0`, `--colour 0.2`, `--trivial 0`.",
        source="Cubuk et al. 2020",
        where=data_where(train_loader(record), training),
        numbers={
            "train_accuracy": last.train_accuracy,
            "val_accuracy": last.val_accuracy,
            "gap": gap,
        },
    )


def _consistent(epoch: Epoch) -> bool:
    """Whether the losses tell the same: a poor accuracy can't go with a good loss."""
    least = LN2 * (1 - (epoch.train_accuracy or 0.0))
    return epoch.train_loss > max(least, epoch.val_loss or 0.0)


def _gap(epoch: Epoch) -> float:
    return (epoch.val_accuracy or 0.0) - (epoch.train_accuracy or 0.0)


def _is_mixed(graph: Graph) -> bool:
    """Two losses on one prediction, or soft labels: pictures are mixed."""
    found = [i for i in losses(graph) if graph.operations[i].name in ("cross_entropy", "nll_loss")]
    soft = any(
        str(graph.operations[i].attributes.get("target_dtype", "")).startswith(FLOAT) for i in found
    )
    sources = [source(graph, graph.operations[i]) for i in found]
    return soft or len(sources) != len(set(sources))


def _drops_much(graph: Graph) -> bool:
    return any(
        operation.name in DROPOUTS and float(operation.attributes.get("p", 0.0)) > MOST_DROPPED
        for operation in graph.operations
    )
