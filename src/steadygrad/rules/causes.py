"""Which fault brings about which, and what is told first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from steadygrad.record import Finding


def _names(words: str) -> tuple[str, ...]:
    return tuple(words.split())


FACTS = _names(
    "broken-images leakage input-constant non-finite label-range "
    "softmax-single-unit softmax-dim double-softmax loss-input loss-broadcast loss-choice "
    "output-activation "
    "no-step zero-grad-misplaced missing-zero-grad optimizer-misses-parameters no-gradient "
    "eval-mode-training symmetric-init no-nonlinearity input-mismatch input-scale init-scale "
    "not-shuffled label-misalignment norm-small-batch train-mode-evaluation dropout-at-eval "
    "augmented-evaluation frozen-norm-updates scheduler-frequency loss-reduction dropout-misuse "
    "class-imbalance test-as-validation graph-retained bias-before-norm norm-placement"
)
"""Decided exactly, from structure, data or counts: true of the whole run whenever noticed."""
STATISTICS = _names(
    "loss-at-init weight-decay-too-high lr-too-high dead-relu saturated-activation "
    "exploding-gradient vanishing-gradient lr-too-low norm-gap augmentation-too-strong"
)
"""Judged by the size of numbers."""
OUTCOMES = _names("collapsed-output not-learning overfitting underfitting")
"""What a run comes to; nearly every fault ends here."""
ORDER = (*FACTS, *STATISTICS, *OUTCOMES)
"""Every rule of the catalogue, root causes first; `RULES` has this order."""

STALLED = ("collapsed-output", "not-learning", "underfitting")
NO_PROGRESS = ("lr-too-low", *STALLED)
BLOWN_UP = _names("lr-too-high exploding-gradient non-finite dead-relu saturated-activation")
"""What large numbers do on their way up and after."""

EXPLAINS: dict[str, tuple[str, ...]] = {
    # data
    "broken-images": (),
    "leakage": (),
    "input-constant": (
        *_names("input-scale not-shuffled no-gradient dead-relu vanishing-gradient loss-at-init"),
        *_names("overfitting symmetric-init"),
        *NO_PROGRESS,
    ),
    "label-range": (
        *_names("class-imbalance loss-choice loss-input loss-at-init"),
        *BLOWN_UP,
        *STALLED,
    ),
    "input-mismatch": _names("input-scale norm-gap overfitting"),
    "input-scale": (
        *_names("init-scale loss-at-init vanishing-gradient"),
        *BLOWN_UP,
        *NO_PROGRESS,
    ),
    "not-shuffled": (
        *_names("label-range class-imbalance norm-gap lr-too-high exploding-gradient overfitting"),
        *STALLED,
    ),
    "label-misalignment": ("overfitting", *STALLED),
    "class-imbalance": STALLED,
    "augmented-evaluation": (),
    "test-as-validation": (),
    # head and loss
    "softmax-single-unit": (
        *_names("double-softmax loss-input output-activation loss-choice label-range no-gradient"),
        *_names("vanishing-gradient loss-at-init"),
        *NO_PROGRESS,
    ),
    "softmax-dim": (
        *_names("double-softmax loss-input output-activation vanishing-gradient loss-at-init"),
        *NO_PROGRESS,
    ),
    "double-softmax": (
        *_names("loss-input output-activation vanishing-gradient loss-at-init"),
        *NO_PROGRESS,
    ),
    "loss-input": (
        *_names("output-activation vanishing-gradient loss-at-init"),
        *BLOWN_UP,
        *NO_PROGRESS,
    ),
    "loss-broadcast": NO_PROGRESS,
    "loss-choice": (
        *_names("output-activation loss-at-init lr-too-high exploding-gradient"),
        *_names("vanishing-gradient"),
        *NO_PROGRESS,
    ),
    "loss-reduction": ("loss-at-init", *BLOWN_UP, *STALLED),
    "output-activation": (
        *_names("no-gradient dead-relu saturated-activation vanishing-gradient loss-at-init"),
        *NO_PROGRESS,
    ),
    # the loop
    "no-step": (
        *_names("missing-zero-grad scheduler-frequency exploding-gradient"),
        *NO_PROGRESS,
    ),
    "zero-grad-misplaced": ("no-gradient", *NO_PROGRESS),
    "missing-zero-grad": (*BLOWN_UP, *STALLED),
    "optimizer-misses-parameters": ("missing-zero-grad", "no-gradient", *NO_PROGRESS),
    "no-gradient": ("vanishing-gradient", *NO_PROGRESS),
    "eval-mode-training": (
        *_names("init-scale norm-gap frozen-norm-updates loss-at-init overfitting"),
        *BLOWN_UP,
        *STALLED,
    ),
    "train-mode-evaluation": _names("dropout-at-eval augmented-evaluation overfitting"),
    "dropout-at-eval": _names("overfitting"),
    "graph-retained": (),
    "scheduler-frequency": ("lr-too-high", *NO_PROGRESS),
    # weights at the start, structure
    "symmetric-init": (
        *_names("init-scale no-gradient dead-relu vanishing-gradient loss-at-init"),
        *NO_PROGRESS,
    ),
    "init-scale": (
        *_names("loss-at-init vanishing-gradient no-gradient"),
        *BLOWN_UP,
        *NO_PROGRESS,
    ),
    "no-nonlinearity": ("not-learning", "underfitting"),
    "dropout-misuse": (
        *_names("norm-gap augmentation-too-strong loss-at-init"),
        *STALLED,
    ),
    "norm-small-batch": (
        *_names("norm-gap no-gradient exploding-gradient vanishing-gradient overfitting"),
        *STALLED,
    ),
    "frozen-norm-updates": _names("norm-gap overfitting"),
    "bias-before-norm": (),
    "norm-placement": (),
    # statistics
    "non-finite": ("dead-relu", "saturated-activation", *STALLED),
    "lr-too-high": (
        *_names("exploding-gradient non-finite dead-relu saturated-activation"),
        *_names("vanishing-gradient no-gradient"),
        *STALLED,
    ),
    "weight-decay-too-high": ("dead-relu", "vanishing-gradient", *STALLED),
    "exploding-gradient": ("non-finite", "dead-relu", "saturated-activation", *STALLED),
    "dead-relu": ("no-gradient", "vanishing-gradient", *NO_PROGRESS),
    "saturated-activation": ("vanishing-gradient", *NO_PROGRESS),
    "vanishing-gradient": NO_PROGRESS,
    "lr-too-low": STALLED,
    "loss-at-init": (
        *_names("lr-too-high exploding-gradient dead-relu saturated-activation"),
        *STALLED,
    ),
    "norm-gap": ("overfitting",),
    "augmentation-too-strong": ("not-learning", "underfitting"),
    # outcomes
    "collapsed-output": ("not-learning", "underfitting"),
    "not-learning": ("underfitting",),
    "overfitting": (),
    "underfitting": (),
}
"""Rule → rules whose findings it explains: those join it instead of standing beside it."""

HESITATION = 10
"""Updates a rule may need until it is sure: a cause may be noticed that much after its effect."""
SEVERITIES = ("error", "warning", "note")


@cache
def consequences(rule: str) -> frozenset[str]:
    """Everything a fault brings about, directly or through others.

    >>> "not-learning" in consequences("input-scale")
    True
    """
    return closure(EXPLAINS, rule)


def closure(graph: Mapping[str, Sequence[str]], start: str) -> frozenset[str]:
    """All names reached from `start`; itself only where there is a cycle."""
    reached: set[str] = set()
    pending = list(graph.get(start, ()))
    while pending:
        name = pending.pop()
        if name not in reached:
            reached.add(name)
            pending += graph.get(name, ())
    return frozenset(reached)


def explains(cause: Finding, effect: Finding) -> bool:
    """Whether one finding is a consequence of the other.

    A fact holds from the first step, whenever it was noticed. A statistic can't have caused what
    was there long before, nor what its own rule knows to be a fact (`numbers["certain"]`).
    """
    if effect.rule not in consequences(cause.rule):
        return False
    if cause.rule in FACTS and cause.rule != "non-finite":
        return True
    return not effect.numbers.get("certain") and cause.step <= effect.step + HESITATION


def merge(findings: Sequence[Finding]) -> list[Finding]:
    """Root causes first; each names what it explains, and that is dropped.

    The cause of an error is an error.
    """
    left: list[Finding] = sorted(findings, key=_rank)
    kept: list[Finding] = []
    while left:
        cause = next(one for one in left if not any(explains(o, one) for o in left if o is not one))
        effects = [one for one in left if one is not cause and explains(cause, one)]
        left = [one for one in left if one is not cause and one not in effects]
        _name(cause, effects)
        kept.append(cause)
    return sorted(kept, key=_rank)


def _name(cause: Finding, effects: Sequence[Finding]) -> None:
    names = list(dict.fromkeys(effect.rule for effect in effects))
    if names:
        cause.numbers["explains"] = names
        cause.saw += f" This explains {' and '.join(names)} as well."
        cause.severity = min(
            (one.severity for one in (cause, *effects)), key=lambda name: SEVERITIES.index(name)
        )


def _rank(finding: Finding) -> tuple[bool, int, int, int, int]:
    """Notes last; facts before statistics before outcomes; errors before warnings."""
    place = ORDER.index(finding.rule) if finding.rule in ORDER else len(FACTS)
    tier = (place >= len(FACTS)) + (place >= len(FACTS) + len(STATISTICS))
    severity = SEVERITIES.index(finding.severity)
    return finding.severity == "note", tier, severity, place, finding.step
