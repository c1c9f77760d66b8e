"""Rule loss-at-init."""

from __future__ import annotations

import math
from collections.abc import Iterator

from steadygrad.record import Finding, Record
from steadygrad.rules.reading import guess_loss, uniform_loss

WARN_LOW, WARN_HIGH = 0.8, 1.25
ERROR_LOW, ERROR_HIGH = 0.5, 2.0
"""Times the loss of guessing. Twelve healthy networks started at 1.00 to 1.02."""


def loss_at_init(record: Record) -> Iterator[Finding]:
    """The first loss is far from that of guessing.

    Severity: error or warning

    What
        The cross entropy before the first step, against ln C (C classes): a warning over 1.25 or
        under 0.8 times, an error over 2 or under 0.5 times. Where classes are unequal the lower
        bound counts from the entropy of their shares. It needs the loss measured before training
        (`initial["loss"]`); a network that is trained already is left out.
    Why
        A high loss means large, confident, wrong logits: inputs not scaled, weights too large, or
        the wrong loss. A low one means that the network was told the answer.
    Fix
        Scale the inputs (`--preprocess channel-mean-std`), use `--init auto`, and hand plain logits
        to the cross entropy.
    Source
        Stanford CS231n notes, part 3: look for correct loss at chance performance.
    """
    initial = record.facts.initial
    loss, uniform, guess = initial.get("loss"), uniform_loss(record), guess_loss(record)
    if loss is None or uniform is None or guess is None or not math.isfinite(float(loss)):
        return
    if initial.get("start_from"):
        return
    loss = float(loss)
    high, low = loss / uniform, loss / min(guess, uniform)
    if low >= WARN_LOW and high <= WARN_HIGH:
        return
    ratio = high if high > WARN_HIGH else low
    yield Finding(
        rule="loss-at-init",
        severity="error" if high > ERROR_HIGH or low < ERROR_LOW else "warning",
        step=0,
        saw=f"Before the first step the loss is {loss:.3g}, {ratio:.2g} times the {uniform:.3g} "
        "of equal probabilities.",
        expected=f"About {uniform:.3g} (ln C): a new network knows nothing and should say so.",
        fix="Check the input scale (`--preprocess channel-mean-std`), the initialisation "
        "(`--init auto`), and that the loss gets plain logits."
        if high > WARN_HIGH
        else "Look for labels among the inputs, and for a head that is trained already.",
        source="CS231n, neural networks part 3",
        numbers={"loss": loss, "uniform_loss": uniform, "ratio": ratio},
    )
