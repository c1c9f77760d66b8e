"""Rule leakage."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from steadygrad.record import Finding, Record, Where
from steadygrad.record.measured import Severity
from steadygrad.rules.batches import (
    data_where,
    evaluation_loader,
    evaluation_loaders,
    looks_at_training,
    train_loader,
)
from steadygrad.rules.copies import Copies, copies
from steadygrad.rules.reading import listed

NEAR_ERROR_FRACTION = 0.05
"""Changed copies inflate a score by less than their share; CIFAR-10's test set has 1.7 %."""
MIN_COPIES = 8
MIN_FRACTION = 0.05
UNCERTAIN = 3.0
"""Standard errors of the number of copies: within them of all, evaluation may run on the training
set itself, which may be meant."""
ALMOST_ALL = 0.9
"""Of the training set compared: the estimate needs no word then."""
MIN_RUNS = 2
"""Evaluations, or the end of the run: by then all their loaders are known."""
TIMES_CHANCE = 3.0
OFTEN = 0.5
"""Evaluations per watched update from which on they are part of the training method."""


def leakage(record: Record) -> Iterator[Finding]:
    """The same pictures are learned from and used to score.

    Severity: error or warning

    What
        Pictures of the val or test split that an earlier split holds too: the same file, the same
        pixels, or the same photo re-encoded, resized, brightened, or cropped a little. Exact copies
        are an error; changed copies too where they are 5 % of a split, else a warning. In a watched
        script: at least 8 inputs, over 5 % of those the model is evaluated on, are number for
        number inputs it was trained on, and all evaluation data hold such copies. A look at the
        training accuracy beside a held-out set is fine, and so is a script without one. Copies
        that augmentation changed can't be seen there: `steadygrad audit` compares the files.
    Why
        The network has learned these by heart, so the score is too good, and the better the longer
        it trains. Models are then chosen for their memory.
    Fix
        Remove the copies from the split that trains, or give the data without splits: Steadygrad's
        own split keeps all copies of a picture on one side. `steadygrad audit DATA` lists them. In
        a script of your own: split once, by index, before augmenting or oversampling, and build
        the evaluation set from the other part (`train=False`).
    Source
        Barz and Denzler, Do We Train on Test Data? (2020), measured what copies do on CIFAR.
    """
    audit = record.facts.audit
    groups = [list(group) for group in audit.get("across_splits", [])]
    num_groups = int(audit.get("num_across_splits", len(groups)))
    leaked: Mapping[str, Mapping[str, int]] = audit.get("leaked", {})
    if not num_groups:
        yield from _watched(record)
        return
    words = [_words(split, counts) for split, counts in leaked.items()]
    example = f" For example {listed(groups[0])} are one picture." if groups else ""
    yield Finding(
        rule="leakage",
        severity=_severity(leaked),
        step=0,
        saw=f"{num_groups} pictures stand in more than one split"
        f"{': ' + '; '.join(words) if words else ''}.{example}",
        expected="No picture in two splits.",
        fix="Remove the copies from the training split, or leave the splitting to Steadygrad "
        "(it keeps copies together); `steadygrad audit DATA` lists them.",
        source="digests and comparison of all pictures",
        where=Where(file=groups[0][0] if groups and groups[0] else None),
        numbers={"groups": num_groups, **{k: dict(v) for k, v in leaked.items()}},
    )


def _watched(record: Record) -> Iterator[Finding]:
    for found in copies(record):
        enough = found.num_copies >= MIN_COPIES and found.fraction > MIN_FRACTION
        chance = found.num_copies <= TIMES_CHANCE * found.by_chance * found.num_examples
        if enough and not chance and _meant_apart(record, found) and _is_evaluation(record, found):
            yield _copied(record, found)
            return


def _meant_apart(record: Record, found: Copies) -> bool:
    """Whether these data are to be held out: some are new, or a loader of their own serves them."""
    surely = found.fraction * (1 + UNCERTAIN / math.sqrt(found.num_copies))
    if found.seen_exactly and surely < 1:
        return True
    own = train_loader(record) is not None and len(evaluation_loaders(record)) == 1
    return own and not looks_at_training(record)


def _is_evaluation(record: Record, found: Copies) -> bool:
    """Not a part of each update, nor one look at a batch."""
    evaluated = {batch.step for batch in found.batches}
    updates = {batch.step for batch in record.batches if batch.kind == "train"}
    rare = len(evaluated) <= OFTEN * len(updates) or record.loop.evaluation_runs >= len(evaluated)
    return rare and (record.loop.evaluation_runs >= MIN_RUNS or record.loop.finished)


def _copied(record: Record, found: Copies) -> Finding:
    share = found.num_copies / found.num_examples
    partly = (
        f"; {found.seen_fraction:.0%} of the training set were compared, so that about "
        f"{found.fraction:.0%} of them are copies"
        if found.seen_fraction < ALMOST_ALL
        else ""
    )
    return Finding(
        rule="leakage",
        severity="error",
        step=found.batches[-1].step,
        saw=f"{found.num_copies} of {found.num_examples} evaluation inputs looked at ({share:.0%}) "
        f"are, number for number, inputs the model was trained on{partly}.",
        expected="None: what scores a model must be new to it.",
        fix="Split once by index before anything else (torch.utils.data.random_split, "
        "train_test_split) and build the evaluation set from the other part; for a data set with "
        "its own test part, train=False.",
        source="fingerprints of training and evaluation inputs",
        where=data_where(evaluation_loader(record), found.batches),
        numbers={
            "copies": found.num_copies,
            "examples": found.num_examples,
            "estimated_fraction": found.fraction,
        },
    )


def _severity(leaked: Mapping[str, Mapping[str, Any]]) -> Severity:
    if not leaked:
        return "error"
    exact = any(counts["exact"] for counts in leaked.values())
    many = any(
        counts["near"] >= NEAR_ERROR_FRACTION * counts["pictures"] for counts in leaked.values()
    )
    return "error" if exact or many else "warning"


def _words(split: str, counts: Mapping[str, int]) -> str:
    total = counts["exact"] + counts["near"]
    share = total / max(counts["pictures"], 1)
    return (
        f"{total} of {counts['pictures']} {split} pictures ({share:.2%}) are copies of pictures "
        f"from an earlier split ({counts['exact']} exact, {counts['near']} changed)"
    )
