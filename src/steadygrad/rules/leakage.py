"""Rule leakage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from steadygrad.record import Finding, Record, Where
from steadygrad.record.measured import Severity
from steadygrad.rules.reading import listed

NEAR_ERROR_FRACTION = 0.05
"""Changed copies inflate a score by less than their share; CIFAR-10's test set has 1.7 %."""


def leakage(record: Record) -> Iterator[Finding]:
    """The same pictures are learned from and used to score.

    Severity: error or warning

    What
        Pictures of the val or test split that an earlier split holds too: the same file, the same
        pixels, or the same photo re-encoded, resized, brightened, or cropped a little. Exact copies
        are an error; changed copies too where they are 5 % of a split, else a warning.
    Why
        The network has learned these by heart, so the score is too good, and the better the longer
        it trains. Models are then chosen for their memory.
    Fix
        Remove the copies from the split that trains, or give the data without splits: Steadygrad's
        own split keeps all copies of a picture on one side. `steadygrad audit DATA` lists them.
    Source
        Barz and Denzler, Do We Train on Test Data? (2020), measured what copies do on CIFAR.
    """
    audit = record.facts.audit
    groups = [list(group) for group in audit.get("across_splits", [])]
    num_groups = int(audit.get("num_across_splits", len(groups)))
    leaked: Mapping[str, Mapping[str, int]] = audit.get("leaked", {})
    if not num_groups:
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
