"""The stages of a search: what each kept and why, and what became of the ranges."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from steadygrad.report import reading
from steadygrad.report.markup import Html, tag
from steadygrad.report.search_data import Searched
from steadygrad.report.sections.findings import icon
from steadygrad.report.tables import bar, numeric, numeric_head, table
from steadygrad.report.words import duration, number_or_none, percent, plural


class Stage(NamedTuple):
    """One row of the table."""

    name: str
    trials: int
    best: float | None
    """Lowest error at the stage's own length."""
    words: str


def draw(searched: Searched) -> Html:
    """A row a stage, then every decision about a range."""
    rows = stages(searched)
    if not rows:
        return Html("")
    most = max(row.trials for row in rows)
    cells = [
        [
            row.name,
            numeric(row.trials, row.trials, bar(row.trials / most)),
            numeric(percent(row.best, 2)),
            row.words,
        ]
        for row in rows
    ]
    heads = ["stage", numeric_head("trials"), numeric_head("best error"), "what came of it"]
    note = (
        "Errors are shares of the validation pictures got wrong. Those of one row are of one "
        "length and can be compared; the longer a trial is trained, the lower its error as a rule."
    )
    card = tag(
        "div",
        table(heads, cells, class_="stages"),
        tag("p", note, class_="note"),
        class_="card staged",
    )
    below = tag("div", _ranges(searched), _early(searched), _spent(searched), class_="grid thirds")
    return tag("div", card, below)


def stages(searched: Searched) -> list[Stage]:
    """What happened, stage by stage, counted from the trials; the words are the account's own."""
    texts = [str(text).partition(": ") for text in reading.rows(searched.found, "stages")]
    found: list[Stage] = []
    for name, trials, best in _counted(searched):
        place = next((i for i, text in enumerate(texts) if text[0] == name), None)
        words = "" if place is None else texts.pop(place)[2]
        found.append(Stage(name, trials, best, words[:1].upper() + words[1:]))
    return found


def _counted(searched: Searched) -> list[tuple[str, int, float | None]]:
    """(name, trials, best error) of each stage that was begun."""
    found: list[tuple[str, int, float | None]] = []
    begun = [trial for trial in searched.trials if trial.stage in ("coarse", "halving")]
    for place, part in enumerate(searched.rungs):
        if not begun:
            break
        scored = [error for trial in begun if (error := dict(trial.curve).get(part)) is not None]
        found.append(("halving" if place else "coarse", len(begun), min(scored, default=None)))
        begun = [trial for trial in begun if trial.parts > part]
    for name in ("fine", "finalists"):
        mine = [trial for trial in searched.trials if trial.stage == name]
        values = [t.value for t in mine if t.value is not None and t.parts >= searched.full]
        if mine:
            found.append((name, len(mine), min(values, default=None)))
    return found


def _early(searched: Searched) -> Html | None:
    """Why trials were ended for good."""
    ended = [trial for trial in searched.trials if trial.state == "ended"]
    if not ended:
        return None
    kinds = Counter(trial.ended_as for trial in ended)
    rows = [tag("li", f"{plural(times, 'trial')}: {kind or 'no reason was written down'}")
            for kind, times in kinds.most_common()]  # fmt: skip
    words = "Ended at the mini-batch that showed going on to be lost time:"
    return tag(
        "div",
        tag("h3", f"{plural(len(ended), 'trial')} ended early"),
        tag("p", words),
        tag("ul", *rows, class_="plain"),
        class_="card",
    )


def _unchanged(searched: Searched) -> tuple[str, str]:
    if number_or_none(searched.found.get("explained")) is None:
        return (
            "note",
            "No range was changed: the trials are too few to judge the ends of ranges by.",
        )
    words = "the best trials crowd no end of a range where the error still falls."
    return "good", f"No range was changed: {words}"


SPENT = {
    "steps": "training steps",
    "looks": "scoring validation pictures",
    "starting": "building and loading trials",
    "choosing": "choosing what to try",
}


def _spent(searched: Searched) -> Html | None:
    """Where the time went."""
    spent = reading.mapping(searched.found, "spent")
    seconds = {name: value for name, v in spent.items() if (value := number_or_none(v))}
    whole = sum(seconds.values())
    if not whole:
        return None
    rows = [
        [SPENT.get(name, name), numeric(duration(value)), numeric(percent(value / whole, 0))]
        for name, value in sorted(seconds.items(), key=lambda item: -item[1])
    ]
    heads = ["part", numeric_head("time"), numeric_head("share")]
    return tag("div", tag("h3", "Where the time went"), table(heads, rows), class_="card")


def _ranges(searched: Searched) -> Html | None:
    """What was decided about the ranges, and what is left open."""
    told = [str(text) for text in reading.rows(searched.found, "decided")]
    rows = [("warning" if "cliff" in text else "note", text) for text in told]
    for edge in reading.rows(searched.found, "edges"):
        text = str(edge.get("text", ""))
        start = text.partition(",")[0]
        # A cliff told of while the search ran is told once, though its numbers changed since.
        if not any(text == t or ("cliff" in t and t.startswith(start)) for t in told):
            rows.append(("warning", text))
    if not rows:
        if not searched.parameters or all(parameter.choices for parameter in searched.parameters):
            return None
        rows.append(_unchanged(searched))
    items = [tag("li", icon(kind), tag("div", tag("p", text))) for kind, text in rows]
    return tag("div", tag("h3", "Ranges"), tag("ul", *items, class_="audit"), class_="card")
