"""Rule test-as-validation."""

from __future__ import annotations

from collections.abc import Iterator

from steadygrad.record import Finding, Record

__test__: dict[str, str] = {}
"""The name begins as those of tests do: pytest would collect it."""
MIN_LOOKS = 2
"""One look at the test set is what it is for."""


def test_as_validation(record: Record) -> Iterator[Finding]:
    """The test set chooses the model.

    Severity: note

    What
        The data have training and test pictures but no validation pictures, and the run was scored
        on held-out pictures several times while it trained: those can only be test pictures.
        `steadygrad train` makes it impossible (it cuts a validation split from the training
        pictures). In a watched script nobody can tell a validation set from a test set by its
        numbers, so nothing is said there: look at it yourself.
    Why
        Each choice made on a set (the best epoch, the rate, when to stop) fits it a little. The
        score of the chosen model on that same set is then too good, and the more so the more was
        tried and the smaller the set.
    Fix
        Hold out part of the training pictures for every choice (`random_split(train_set, [0.9,
        0.1])`), and score the test set once, at the very end, with the model chosen.
    Source
        Ripley, Pattern Recognition and Neural Networks (1996), on training, validation and test
        sets; Cawley and Talbot, On Over-fitting in Model Selection (2010).
    """
    counts = record.facts.class_counts
    sizes = {name: sum(counts.get(name, [])) for name in ("train", "val", "test")}
    looks = [epoch for epoch in record.epochs if epoch.val_loss is not None]
    if not sizes["train"] or not sizes["test"] or sizes["val"] or len(looks) < MIN_LOOKS:
        return
    yield Finding(
        rule="test-as-validation",
        severity="note",
        step=looks[-1].step,
        saw=f"Held-out pictures were scored {len(looks)} times while training, but there are "
        f"only {sizes['train']} training and {sizes['test']} test pictures: no validation split.",
        expected="The test set is scored once, after every choice is made.",
        fix="Hold out a tenth of the training pictures for validation (`--val-fraction 0.1`) and "
        "choose by those.",
        source="Cawley and Talbot 2010",
        numbers={"looks": len(looks), **sizes},
    )
