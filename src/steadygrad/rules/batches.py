"""What rules about data ask of the batches a run was fed, in one place."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from steadygrad.record import Batch, Loader, Record, Where
from steadygrad.rules.graph import graphs, losses

MOST_LABELS = 512
"""`Batch.labels` holds no more: a batch of that size may have a label per token or per pixel."""
CERTAIN = math.log(1e6)
"""Nats of surprise: what happens by chance once in a million is no chance."""
SCRIPTED = 0.45
"""Share of batches with one and the same sequence of labels from which on the sequence is written
by hand: contrastive pairs (0, 1, 2, ...), episodes, real beside generated pictures."""
ADVERSARIAL = 0.8
"""Share of the steps with several calls in which each call has labels of one class, of different
ones: the discriminator's steps on real and on generated pictures."""

Labelled = list[tuple[Batch, list[int]]]


def foreign(record: Record) -> bool:
    """Whether somebody's own script was watched: advice names PyTorch, not our options."""
    return bool(record.batches or record.graphs) and not record.facts.layers


def by_model(record: Record, kind: str, again: bool = False) -> dict[str, list[Batch]]:
    """Batches of one kind per model called; equal ones once, or each time they came `again`."""
    found: dict[str, dict[str, Batch]] = {}
    for place, batch in enumerate(record.batches):
        if batch.kind == kind:
            key = f"{batch.fingerprint}{batch.labels[:8]}" if batch.fingerprint else ""
            key = str(place) if again or not key else key
            found.setdefault(batch.model, {}).setdefault(key, batch)
    return {model: list(batches.values()) for model, batches in found.items()}


def main_model(record: Record) -> str | None:
    """The model trained on most labelled batches."""
    counts = Counter(b.model for b in record.batches if b.kind == "train" and b.labels)
    return counts.most_common(1)[0][0] if counts else None


def labelled(record: Record, kind: str = "train") -> Labelled:
    """Batches of the main model with one class label per example, and those labels in order.

    Labels per token or pixel, several calls with scripted labels (see `SCRIPTED`, `ADVERSARIAL`)
    and labels without meaning of their own are left out: their order says nothing about data.
    """
    model = main_model(record)
    again = kind == "evaluation"
    batches = by_model(record, kind, again).get(model, []) if model is not None else []
    rows = _loss_rows(record) if any(b.size >= MOST_LABELS for b in batches) else set[int]()
    found: Labelled = []
    for batch in batches:
        plain = len(batch.labels) == min(batch.size, MOST_LABELS) and (
            batch.size < MOST_LABELS or batch.size in rows
        )
        labels = [label for label in batch.labels if label >= 0]
        if plain and labels:
            found.append((batch, labels))
    return [] if kind == "train" and (_scripted(found) or _adversarial(found)) else found


def _loss_rows(record: Record) -> set[int]:
    return {
        graph.operations[i].input_shapes[0][0]
        for graph in graphs(record)
        for i in losses(graph)
        if graph.operations[i].input_shapes and graph.operations[i].input_shapes[0]
    }


def _scripted(found: Labelled) -> bool:
    sequences = Counter(tuple(labels) for _, labels in found if len(set(labels)) > 1)
    most = max(sequences.values(), default=0)
    return most >= 3 and most >= SCRIPTED * len(found)


def _adversarial(found: Labelled) -> bool:
    calls: dict[int, list[set[int]]] = {}
    for batch, labels in found:
        calls.setdefault(batch.step, []).append(set(labels))
    several = [sets for sets in calls.values() if len(sets) > 1]
    opposed = [
        s for s in several if all(len(c) == 1 for c in s) and len({one for c in s for one in c}) > 1
    ]
    return bool(several) and len(opposed) >= ADVERSARIAL * len(several)


def watched_classes(record: Record) -> int:
    """Width of the head where a loss over classes was seen; 0 where not."""
    widths = [
        int(graph.operations[i].attributes.get("num_classes", 0))
        for graph in graphs(record)
        for i in losses(graph)
        if graph.operations[i].name in ("cross_entropy", "nll_loss")
    ]
    return max(widths, default=0)


def label_counts(found: Labelled) -> Counter[int]:
    """How often each class was seen."""
    return Counter(label for _, labels in found for label in labels)


def entropy(counts: Iterable[int]) -> float:
    """In nats: the cross entropy of the best constant guess.

    >>> round(entropy([5, 5]), 3)
    0.693
    """
    values = [count for count in counts if count > 0]
    total = sum(values)
    return -sum(count / total * math.log(count / total) for count in values)


def divergence(seen: float, expected: float) -> float:
    """Relative entropy in nats of two probabilities of one event.

    Times the number of trials it bounds -log of the probability of a share as large as `seen`
    (Chernoff).

    >>> round(divergence(1.0, 0.5), 3)
    0.693
    """
    expected = min(max(expected, 1e-12), 1 - 1e-12)
    parts = ((seen, expected), (1 - seen, 1 - expected))
    return sum(p * math.log(p / q) for p, q in parts if p > 0)


def order_surprise(found: Labelled) -> float:
    """-log of how likely labels in random order have so many equal neighbours in their batches.

    Neighbours are taken in pairs that share no example, so that they are independent.
    """
    pairs = [
        labels[i] == labels[i + 1] for _, labels in found for i in range(0, len(labels) - 1, 2)
    ]
    counts = label_counts(found)
    total = sum(counts.values())
    if not pairs or total < 2:
        return 0.0
    expected = sum(n * (n - 1) for n in counts.values()) / (total * (total - 1))
    seen = sum(pairs) / len(pairs)
    return len(pairs) * divergence(seen, expected) if seen > expected else 0.0


def orderings(labels: Sequence[int]) -> float:
    """Log of the number of orders these labels can have."""
    counts = Counter(labels)
    return math.lgamma(len(labels) + 1) - sum(math.lgamma(n + 1) for n in counts.values())


def train_loader(record: Record) -> Loader | None:
    """The loader that fed most updates; None where no loader did."""
    loaders = [loader for loader in record.loop.loaders if loader.kind == "train"]
    return max(loaders, key=lambda loader: loader.iterations * loader.num_batches, default=None)


def evaluation_loaders(record: Record) -> list[Loader]:
    """Loaders gone through in at least half of the evaluations; the others were used in passing."""
    least = record.loop.evaluation_runs / 2
    return [x for x in record.loop.loaders if x.kind == "evaluation" and x.iterations >= least]


def evaluation_loader(record: Record) -> Loader | None:
    """The loader evaluation is about; None where there is none.

    One as long as the training set may serve the training accuracy: another comes first.
    """
    train = train_loader(record)
    length = train.num_examples if train else 0
    found = evaluation_loaders(record)
    return next((x for x in found if x.num_examples != length), next(iter(found), None))


def looks_at_training(record: Record) -> bool:
    """Whether the training loader is gone through without training, for a training accuracy.

    The first batches of an evaluation may then be those.
    """
    loader = train_loader(record)
    if loader is None or not loader.num_batches:
        return False
    passes = math.ceil(record.loop.backwards / loader.num_batches)
    return loader.iterations - passes >= max(1.0, record.loop.evaluation_runs / 2)


def data_where(loader: Loader | None, batches: Sequence[Batch]) -> Where:
    """The line to look at: where the loader was made, or the model is called."""
    if loader is not None and loader.where.file:
        return loader.where
    return batches[0].where if batches else Where()
