"""The table of all trials: what each was, how far it came, and why it ended there."""

from __future__ import annotations

from steadygrad.report.markup import Html, data_script, tag
from steadygrad.report.search_data import Searched, Trial, Value
from steadygrad.report.search_found import value_text
from steadygrad.report.tables import bar, numeric, sorting_head, table
from steadygrad.report.words import duration, number_or_none, percent

OPEN = 40
"""Rows up to which the table is open."""
MISSING_LAST = 1e300
"""What a row without a number sorts by."""


def draw(searched: Searched) -> Html:
    """A row a trial, the best of the longest first; every column sorts."""
    if not searched.trials:
        return Html("")
    names = [parameter.name for parameter in searched.parameters]
    heads = [sorting_head("trial", "press a number to mark its lines and dots above", numbers=True)]
    heads += [sorting_head("stage"), sorting_head("trained", "share of a full run", numbers=True)]
    heads += [sorting_head("error", "last validation error", numbers=True)]
    heads += [
        sorting_head("how it ended"),
        sorting_head("seed", numbers=True),
        sorting_head("time", numbers=True),
    ]
    heads += [sorting_head(p.name, numbers=not p.choices) for p in searched.parameters]
    order = sorted(
        searched.trials,
        key=lambda t: (t is not searched.winner, -t.parts, t.value or 0.0, t.number),
    )
    rows = [_row(searched, trial, names) for trial in order]
    note = tag(
        "p",
        "Click a heading to sort. Click a trial's number to keep its lines and dots marked in all "
        "pictures.",
        class_="note",
    )
    body = table(heads, rows, class_="sortable trials")
    summary = tag("summary", f"All {len(rows)} trials" if len(rows) > 1 else "The one trial")
    texts = {str(trial.number): about(searched, trial) for trial in searched.trials}
    script = data_script(texts, class_="trialtexts")
    return tag("details", summary, note, body, script, class_="card", open=len(rows) <= OPEN)


def about(searched: Searched, trial: Trial) -> str:
    """One trial in a line or two, for whoever points at it."""
    again = f", trial {trial.repeats} with seed {trial.seed}" if trial.repeats is not None else ""
    error = "no score" if trial.value is None else f"error {percent(trial.value, 2)}"
    share = searched.share(trial.parts)
    length = "a full run" if share >= 1 else f"{percent(share, 0)} of a full run"
    values = ", ".join(f"{name} {value_text(value)}" for name, value in trial.values.items())
    head = f"Trial {trial.number} ({trial.stage}{again}): {error} after {length}."
    return f"{head} {_end(searched, trial)}. {values}"


def _end(searched: Searched, trial: Trial) -> str:
    winner = searched.winner
    if winner is not None and trial.number == winner.number:
        return "The winner"
    if trial.state == "done":
        return "Trained to the full length"
    if trial.reason:
        return trial.reason[:1].upper() + trial.reason[1:]
    return {"running": "Still running", "paused": "Not begun"}.get(trial.state, trial.state or "–")


def _row(searched: Searched, trial: Trial, names: list[str]) -> list[object]:
    mark = tag("button", str(trial.number), type="button", class_="mark", aria_pressed="false",
               data_trial=str(trial.number))  # fmt: skip
    share = min(searched.share(trial.parts), 1.0)
    won = searched.look(trial) == "won"
    return [
        tag("td", mark, class_="number won" if won else "number", data_value=str(trial.number)),
        tag("td", trial.stage),
        numeric(percent(share, 0), share, bar(share)),
        numeric(percent(trial.value, 2), MISSING_LAST if trial.value is None else trial.value),
        tag("td", _end(searched, trial), class_="end"),
        numeric(trial.seed, trial.seed),
        numeric(duration(trial.seconds), trial.seconds),
        *(_value(trial.values.get(name)) for name in names),
    ]


def _value(value: Value | None) -> Html:
    if isinstance(value, str):
        return tag("td", value)
    sorts = number_or_none(value)
    return numeric(
        "" if value is None else value_text(value), MISSING_LAST if sorts is None else sorts
    )
