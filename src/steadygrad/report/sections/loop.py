"""The loop around the network: optimizers, schedules, loaders, and what does not learn."""

from __future__ import annotations

from collections.abc import Sequence

from steadygrad.record import Loop, Optimizer, Parameter, Scheduler, Where
from steadygrad.report.data import ReportData
from steadygrad.report.markup import Html, tag
from steadygrad.report.tables import numeric, numeric_head, table
from steadygrad.report.words import (
    MISSING,
    count,
    number,
    number_or_none,
    plural,
    short_count,
    shorten,
)

MAX_ROWS = 60


def draw(data: ReportData) -> Html:
    """One table each; what the loop does not have is left out."""
    loop = data.record.loop
    parts = [
        _models(loop),
        _optimizers(loop),
        _schedulers(loop),
        _loaders(loop),
        _not_learned(loop),
        _habits(loop),
    ]
    return tag("div", *parts, class_="loop") if any(parts) else Html("")


def _card(title: str, note: str, body: Html) -> Html:
    words = tag("p", note, class_="note") if note else None
    return tag("div", tag("h3", title), words, body, class_="card")


def _place(where: Where) -> Html:
    """File and line, the folder only for the pointer."""
    if not where.file:
        return tag("td", MISSING)
    name = where.file.replace("\\", "/").rpartition("/")[2]
    return tag("td", tag("code", f"{shorten(name, 32)}:{where.line}"), title=where.file)


def _models(loop: Loop) -> Html | None:
    if not loop.models:
        return None
    rows = [
        [
            str(model.get("name", "")),
            str(model.get("class", "")),
            numeric(short_count(model.get("num_parameters"))),
            numeric(count(model.get("training_calls"))),
            numeric(count(model.get("evaluation_calls"))),
            _place(Where(str(model.get("file") or "") or None, model.get("line"))),
        ]
        for model in loop.models[:MAX_ROWS]
    ]
    heads: list[object] = ["model", "class"]
    heads += map(numeric_head, ("parameters", "calls in training", "in evaluation"))
    return _card("Models", "", table([*heads, "built at"], rows))


def _optimizers(loop: Loop) -> Html | None:
    rows = [
        _group(optimizer, index)
        for optimizer in loop.optimizers
        for index in range(max(len(optimizer.groups), 1))
    ]
    if not rows:
        return None
    heads: list[object] = ["optimizer"]
    names = ("learning rate now", "at first", "weight decay", "momentum", "tensors", "updates")
    heads += map(numeric_head, (*names, "backwards per update"))
    note = "One row per parameter group. Healthy: one backward per update unless you accumulate."
    return _card("Optimizers", note, table([*heads, "made at"], rows[:MAX_ROWS]))


def _group(optimizer: Optimizer, index: int) -> list[object]:
    group = optimizer.groups[index] if index < len(optimizer.groups) else {}
    name = optimizer.name if index == 0 else f"{optimizer.name}, group {index + 1}"
    keys = ("lr", "initial_lr", "weight_decay", "momentum")
    return [
        name,
        *(numeric(number(number_or_none(group.get(key)), 3)) for key in keys),
        numeric(count(group.get("num_parameters"))),
        numeric(count(optimizer.steps)),
        numeric(f"{optimizer.backwards_per_step:g}"),
        _place(optimizer.where),
    ]


def _schedulers(loop: Loop) -> Html | None:
    if not loop.schedulers:
        return None
    heads: list[object] = ["schedule", "of"]
    names = ("stepped", "updates", "epochs", "first rate", "rate now")
    heads += map(numeric_head, names)
    note = (
        "A schedule counts its own steps: one made for updates is stepped once per update, one "
        "made for epochs once per epoch."
    )
    rows = [_schedule(one, loop.optimizers) for one in loop.schedulers[:MAX_ROWS]]
    return _card("Schedules", note, table([*heads, "stepped at"], rows))


def _schedule(scheduler: Scheduler, optimizers: Sequence[Optimizer]) -> list[object]:
    index = scheduler.optimizer
    known = index is not None and 0 <= index < len(optimizers)
    return [
        scheduler.name,
        optimizers[index].name if known and index is not None else MISSING,
        numeric(count(scheduler.steps)),
        numeric(count(scheduler.optimizer_steps)),
        numeric(count(scheduler.epochs)),
        numeric(number(scheduler.first_lr, 3)),
        numeric(number(scheduler.last_lr, 3)),
        _place(scheduler.step_where if scheduler.steps else scheduler.where),
    ]


def _loaders(loop: Loop) -> Html | None:
    if not loop.loaders:
        return None
    heads: list[object] = ["loader for", "order"]
    heads += map(numeric_head, ("examples", "batch", "batches", "times begun"))
    rows = [
        [
            {"train": "training", "evaluation": "evaluation"}.get(loader.kind, "unknown"),
            ORDERS.get(loader.sampler, loader.sampler),
            numeric(count(loader.num_examples) if loader.num_examples else MISSING),
            numeric(count(loader.batch_size) if loader.batch_size else MISSING),
            numeric(count(loader.num_batches) if loader.num_batches else MISSING),
            numeric(count(loader.iterations)),
            _place(loader.where),
        ]
        for loader in loop.loaders[:MAX_ROWS]
    ]
    note = "Healthy: training data shuffled, evaluation data in order."
    return _card("Loaders", note, table([*heads, "made at"], rows))


ORDERS = {"RandomSampler": "shuffled", "SequentialSampler": "in order"}


def _not_learned(loop: Loop) -> Html | None:
    reasons = [(one, _reason(one)) for one in loop.parameters]
    rows = [
        [
            tag("th", tag("code", shorten(one.name, 48)), scope="row", title=one.name),
            tag("td", " × ".join(map(str, one.shape)), class_="shape"),
            why,
            _place(one.where),
        ]
        for one, why in reasons
        if why
    ]
    if not rows:
        return None
    left = len(rows) - MAX_ROWS
    note = "Fine where you meant it (a frozen backbone); a fault where you did not."
    if left > 0:
        note += f" {count(left)} more not shown."
    body = table(["parameter", "shape", "why", "built at"], rows[:MAX_ROWS])
    title = f"Parameters that do not learn: {count(len(rows))} of {count(len(loop.parameters))}"
    return _card(title, note, body)


def _reason(parameter: Parameter) -> str:
    if not parameter.trainable:
        return "frozen (requires_grad is False)"
    if parameter.optimizer is None:
        return "in no optimizer"
    if not parameter.watched:
        return ""
    if not parameter.used_by and not parameter.received:
        return "used by no operation"
    if parameter.missing == parameter.watched:
        return "never had a gradient"
    return "" if parameter.received else "its gradient was always zero"


def _habits(loop: Loop) -> Html | None:
    words = [
        loop.manual_updates and "Weights are changed by hand, without an optimizer.",
        loop.gradient_scaler and "Gradients are scaled (mixed precision).",
        loop.compiled and "The model is compiled; watched steps ran eagerly.",
        _evaluations(loop),
        loop.backwards
        and f"{plural(loop.backwards, 'backward')}, {plural(loop.zero_grads, 'call')} of "
        "zero_grad.",
        loop.exception
        and f"The script ended with {loop.exception.get('type', 'an exception')}: "
        f"{str(loop.exception.get('text', ''))[:300]}",
    ]
    said = [tag("li", str(text)) for text in words if text]
    return _card("Seen besides", "", tag("ul", *said, class_="plain")) if said else None


def _evaluations(loop: Loop) -> str:
    if not loop.evaluation_runs:
        return ""
    words = f"Evaluated {plural(loop.evaluation_runs, 'time')} while it trained"
    if loop.evaluation_runs_training:
        words += f", {count(loop.evaluation_runs_training)} of them in training mode"
    return f"{words}."
