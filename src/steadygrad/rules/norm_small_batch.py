"""Rule norm-small-batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from steadygrad.record import Finding, Operation, Record, Where
from steadygrad.rules.graph import graphs, signals
from steadygrad.rules.reading import listed

EXCEPTION = "Expected more than 1 value per channel"
"""What torch says when it refuses a batch norm over one value."""
FEW_VALUES = 16
"""Per channel: the standard error of a mean of 16 values is a quarter of their spread."""
SMALL_BATCH, SMALL_BATCH_VALUES = 8, 64
TINY_BATCH = 2
"""Group norm's paper: ResNet-50 loses 10 points at 2 pictures a batch, whatever the maps' size."""


@dataclass
class _Norm:
    operation: Operation
    values: float
    examples: int


def norm_small_batch(record: Record) -> Iterator[Finding]:
    """Batch norm takes its statistics from too few values.

    Severity: error or warning

    What
        A batch norm in training mode sees one value per channel (an error: torch refuses it, or
        every output is its bias), under 16, under 64 in batches of fewer than 8 examples, or gets
        batches of one or two examples (warnings). Values per channel are examples times height
        times width.
    Why
        Each output depends on the other examples of its batch. With few of them the statistics are
        noise, and evaluation, which uses running ones, sees another network.
    Fix
        Batches of 16 or more; or `nn.GroupNorm(8, channels)` or `nn.LayerNorm`, which don't look at
        other examples; `drop_last=True` in the DataLoader where only the last batch is short.
    Source
        Wu and He, Group Normalization (2018), figure 1.
    """
    text = str(record.loop.exception.get("text", ""))
    if EXCEPTION in text:
        yield _refused(record, text)
        return
    norms = [norm for norm in _norms(record) if _too_few(norm)]
    if not norms:
        return
    worst = min(norms, key=lambda norm: norm.values)
    names = [norm.operation.layer for norm in norms]
    yield Finding(
        rule="norm-small-batch",
        severity="error" if worst.values <= 1 else "warning",
        step=0,
        saw=f"Batches of {worst.examples} give {worst.operation.layer} {worst.values:.0f} values "
        f"per channel. Affected: {listed(names)}.",
        expected="At least 16 examples a batch, and 64 values per channel.",
        fix="Use `batch_size=32`, or `nn.GroupNorm(8, channels)` (`nn.LayerNorm` behind linear "
        "layers) in place of batch norm.",
        source="Wu and He 2018",
        where=worst.operation.built or worst.operation.where,
        numbers={"values_per_channel": worst.values, "batch_size": worst.examples, "layers": names},
    )


def _refused(record: Record, text: str) -> Finding:
    exception = record.loop.exception
    line = exception.get("line")
    return Finding(
        rule="norm-small-batch",
        severity="error",
        step=record.loop.step,
        saw=f"The script died in a batch norm: {text.strip()}",
        expected="At least two values per channel, better 64.",
        fix="Use `drop_last=True` in the training DataLoader if only the last batch has one "
        "example, a larger `batch_size` if all have; `model.eval()` before predicting one picture.",
        source="torch.nn.functional.batch_norm",
        where=Where(exception.get("file"), int(line) if line else None),
        numbers={"values_per_channel": 1},
    )


def _norms(record: Record) -> list[_Norm]:
    """Batch norms that use batch statistics while something is learned, with what they get."""
    found: dict[str, _Norm] = {}
    sizes = [batch.size for batch in record.batches if batch.kind == "train" and batch.size]
    for graph in graphs(record):
        for operation in graph.operations:
            if operation.name != "batch_norm" or not operation.attributes.get("training"):
                continue
            seen = [
                line.values["values_per_channel"]
                for line in signals(record, operation.layer)
                if "values_per_channel" in line.values
            ]
            if seen:
                # The median: the last batch of an epoch may be short.
                examples = int(median(sizes)) if sizes else _examples(operation)
                found[operation.layer] = _Norm(operation, median(seen), examples)
    return list(found.values())


def _examples(operation: Operation) -> int:
    return operation.input_shapes[0][0] if operation.input_shapes else 0


def _too_few(norm: _Norm) -> bool:
    few = norm.values < FEW_VALUES
    small = norm.examples < SMALL_BATCH and norm.values < SMALL_BATCH_VALUES
    return few or small or 0 < norm.examples <= TINY_BATCH
