"""Rule label-misalignment."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import fmean

from steadygrad.record import Finding, Record, Where
from steadygrad.rules.batches import (
    data_where,
    entropy,
    foreign,
    label_counts,
    labelled,
    train_loader,
)
from steadygrad.rules.reading import guess_loss, majority_share, smooth

MIN_NEIGHBOURS = 300
STANDARD_ERRORS = 3.0
MOST_BY_CHANCE = 0.6
"""Where one class fills most of the data, neighbours agree whatever their labels."""
STRUCTURE = 0.8
"""Distance to the nearest by mean distance; pure noise of many dimensions has over 0.9."""
MIN_STEPS = 40
FLAT = 0.97
"""Share of the loss of guessing above which nothing general is learned; see not-learning."""
FIRST_EPOCH = 30
"""Updates of a first epoch from which on its loss is a score on new pictures."""
SHORT_EPOCH = 15
"""The same where the validation loss agrees."""
MEMORISED = 0.7
"""Share of the loss of guessing: the network now knows pictures it has seen."""
BETTER = 1.2
"""Accuracy over that of guessing which shows that labels have to do with their pictures."""
MUCH_BETTER = 2.0
"""The same among many classes, and where the validation loss says that nothing was learned: whole
groups of alike pictures get one answer, so that accuracy by chance scatters far more than that of
single guesses (ten groups and ten classes: 0.1 ± 0.09)."""
MANY_CLASSES = 0.2
"""The largest class's share up to which that is asked for."""
FEW_SCORED = 500
"""Examples of an evaluation where their number is not known."""
MIN_EVALUATIONS = 3


def label_misalignment(record: Record) -> Iterator[Finding]:
    """Labels don't belong to their pictures.

    Severity: error

    What
        Of at least 300 training examples, those nearest to each other have the same label no more
        often than chance (within 3 standard errors), though near ones exist, and after 40 updates
        the loss is still that of guessing. Or: in its first epoch, where every picture is new, the
        network learned nothing; later it learned training pictures by heart, and validation stays
        at guessing. Regression and labels per token or pixel are left out.
    Why
        Pictures and labels were put in a new order separately, read in different orders (an
        unsorted directory listing), or shifted by one. There is nothing to learn but noise.
    Fix
        Draw one permutation and use it for both: `order = torch.randperm(len(images));
        images, labels = images[order], labels[order]`; better, keep pairs in one data set and let
        the DataLoader shuffle. Then look at a dozen pictures with their labels.
    Source
        Zhang et al., Understanding deep learning requires rethinking generalization (2017): what
        training on random labels looks like.
    """
    found = labelled(record)
    counts = label_counts(found) if found else None
    watched = bool(record.batches)
    if watched and (counts is None or len(counts) < 2):
        return
    guess = guess_loss(record) or (entropy(counts.values()) if counts else None)
    if not guess:
        return
    total = counts.total() if counts else 0
    chance = max(counts.values()) / total if counts and total else majority_share(record)
    if _learned(record, guess, chance):
        return
    saw = _strangers(record, guess) or _by_heart(record, guess, chance)
    if saw:
        yield _finding(record, saw, _place(record))


def _learned(record: Record, guess: float, chance: float) -> bool:
    accuracies = smooth([e.val_accuracy for e in record.epochs if e.val_accuracy is not None])
    losses = [e.val_loss for e in record.epochs if e.val_loss is not None]
    noise = STANDARD_ERRORS * math.sqrt(chance * (1 - chance) / _examples_scored(record))
    needed = max(BETTER * chance, chance + noise)
    guessing = len(losses) >= MIN_EVALUATIONS and min(losses) >= FLAT * guess
    if guessing or chance <= MANY_CLASSES:
        needed = max(MUCH_BETTER * chance, needed)
    return max(accuracies, default=0.0) > min(needed, (1 + chance) / 2)


def _examples_scored(record: Record) -> int:
    """How many examples an evaluation's accuracy comes from, at the least."""
    sizes: dict[int, int] = {}
    for batch in record.batches:
        if batch.kind == "evaluation":
            sizes[batch.step] = sizes.get(batch.step, 0) + batch.size
    own = sum(record.facts.class_counts.get("val", []))
    return min(sizes.values(), default=own) or FEW_SCORED


def _strangers(record: Record, guess: float) -> str:
    """What nearest neighbours say, in words; empty where they agree or can't tell."""
    near = record.loop.neighbours
    losses = [line.loss for line in record.steps if math.isfinite(line.loss)]
    if near.get("count", 0) < MIN_NEIGHBOURS or near.get("distance_ratio", 1.0) >= STRUCTURE:
        return ""
    agreement, chance, error = (near[k] for k in ("agreement", "chance", "standard_error"))
    if chance > MOST_BY_CHANCE:
        return ""
    apart = abs(agreement - chance) > STANDARD_ERRORS * error
    width = MIN_STEPS // 2
    if apart or len(losses) < MIN_STEPS or _lowest(losses, width) < FLAT * guess:
        return ""
    return (
        f"Of {near['count']:.0f} training examples {agreement:.1%} have the label of their nearest "
        f"neighbour; labels dealt at random give {chance:.1%} (standard error {error:.1%}). After "
        f"{len(losses)} steps the loss is {fmean(losses[-width:]):.3g}; guessing gives {guess:.3g}."
    )


def _lowest(losses: Sequence[float], width: int) -> float:
    return min(fmean(losses[i : i + width]) for i in range(0, len(losses) - width + 1, width // 2))


def _by_heart(record: Record, guess: float, chance: float) -> str:
    """What the curves say: learned by heart, nothing in general."""
    first = _first_epoch(record)
    scored = [e for e in record.epochs if e.val_accuracy is not None or e.val_loss is not None]
    losses = [e.val_loss for e in scored if e.val_loss is not None]
    guessing = bool(losses) and min(losses) >= FLAT * guess
    needed = SHORT_EPOCH if guessing else FIRST_EPOCH
    if not needed <= len(first) < len(record.steps) or len(scored) < MIN_EVALUATIONS:
        return ""
    new, known = fmean(first[len(first) // 2 :]), scored[-1].train_loss
    if new < FLAT * guess or not known < MEMORISED * guess:
        return ""
    accuracies = [e.val_accuracy for e in scored if e.val_accuracy is not None]
    if guessing:
        stayed = f"loss was never below {min(losses):.3g}"
    elif accuracies:
        stayed = f"accuracy never passed {max(accuracies):.1%}, and guessing gives {chance:.1%}"
    else:
        return ""
    return (
        f"On new pictures, in the first epoch, the training loss was {new:.3g} (guessing gives "
        f"{guess:.3g}); by now it is {known:.3g}, but validation {stayed}."
    )


def _first_epoch(record: Record) -> list[float]:
    """Losses on pictures seen for the first time; to the first evaluation where none can say."""
    period = record.loop.batch_period
    steps = [step for step in record.steps if step.epoch == record.steps[0].epoch]
    if period:
        steps = steps[:period]
    elif len(steps) == len(record.steps) and record.epochs:
        steps = [step for step in steps if step.step <= record.epochs[0].step]
    return [step.loss for step in steps if math.isfinite(step.loss)]


def _place(record: Record) -> Where:
    return data_where(train_loader(record), [batch for batch, _ in labelled(record)])


def _finding(record: Record, saw: str, where: Where) -> Finding:
    own = "Look at a dozen pictures with their labels (`steadygrad audit DATA`)."
    theirs = "Use one permutation for both (order = torch.randperm(n); images[order], "
    theirs += "labels[order]), sort file listings, and look at a dozen pictures with their labels."
    return Finding(
        rule="label-misalignment",
        severity="error",
        step=record.steps[-1].step if record.steps else record.loop.step,
        saw=saw,
        expected="Pictures that look alike share a label far more often than by chance.",
        fix=theirs if foreign(record) else own,
        source="Zhang et al. 2017",
        where=where,
        numbers=dict(record.loop.neighbours),
    )
