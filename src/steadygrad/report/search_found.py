"""What a search found: the winner, how sure that is, its values, and how to repeat it."""

from __future__ import annotations

import shlex

from steadygrad.report import reading
from steadygrad.report.markup import Html, tag, visible
from steadygrad.report.search_data import OUTER, Parameter, Searched, Trial, Value
from steadygrad.report.search_seeds import finalists, folds
from steadygrad.report.tables import card_grid, numeric_head, table
from steadygrad.report.words import count, duration, number, number_or_none, percent, plural


def header(searched: Searched) -> Html:
    """Name of the data, the winner's validation error in large, the numbers everybody asks for."""
    winner, found = searched.winner, searched.found
    sentence = str(found.get("verdict") or "Nothing was scored yet.")
    error = winner_error(searched)
    band = number_or_none(found.get("band"))
    hero = tag(
        "div",
        tag("p", percent(error, 2), class_="big") if error is not None else None,
        tag(
            "div",
            tag("p", sentence, class_="verdict"),
            tag("p", " ".join(_remarks(searched, band)), class_="remark") if winner else None,
            class_="words",
        ),
        class_="hero card",
    )
    return tag(
        "header",
        tag("p", "Search report", class_="kicker"),
        tag("h1", tag("bdi", searched.title)),
        tag("p", _subtitle(searched), class_="subtitle"),
        hero,
        _cards(searched, error, band),
    )


def winner_error(searched: Searched) -> float | None:
    """The winner's validation error: the mean over its seeds where it was repeated."""
    winner = searched.winner
    if winner is None:
        return None
    for row in reading.rows(searched.found, "finalists"):
        if row.get("number") == winner.number:
            return number_or_none(row.get("mean"))
    return winner.value


def value_text(value: Value | None) -> str:
    """A value as it is read: four digits of a number, a name as it is."""
    return number(value) if isinstance(value, float) else str(value)


def _subtitle(searched: Searched) -> str:
    plan = reading.mapping(searched.found, "plan")
    parts = [plural(len(searched.trials), "trial")]
    runs = number_or_none(searched.found.get("full_runs"))
    if runs is not None:
        epochs = number_or_none(plan.get("epochs"))
        each = f" of {plural(round(epochs), 'epoch')}" if epochs else ""
        parts.append(f"{number(runs, 3)} full runs{each} in all")
    if searched.parameters:
        parts.append(f"{plural(len(searched.parameters), 'parameter')} searched")
    return " · ".join(parts)


def _remarks(searched: Searched, band: float | None) -> list[str]:
    words = ["The large number is the share of validation pictures the winner gets wrong"]
    source = searched.found.get("band_from")
    pictures = number_or_none(searched.found.get("pictures"))
    if band is None:
        words[0] += "."
    elif source == "seeds":
        words[0] += f"; ± {percent(band, 2)} is what seeds alone change (two standard errors)."
    else:
        of = f" {count(pictures)}" if pictures else ""
        words[0] += f"; ± {percent(band, 2)} is the noise of counting on{of} pictures."
    words.append("It was chosen by these pictures, so it flatters a little.")
    if searched.found.get("full_run") is None:
        words.append("Not finished: the winner was not yet trained to a full run of its own.")
    return words


def _cards(searched: Searched, error: float | None, band: float | None) -> Html:
    found = searched.found
    full = reading.mapping(found, "full_run")
    test = number_or_none(reading.mapping(full, "test").get("accuracy"))
    ended = sum(trial.state == "ended" for trial in searched.trials)
    budget = number_or_none(found.get("budget"))
    cards = [
        ("Validation error", percent(error, 2), f"± {percent(band, 2)}" if band else ""),
        ("Test error", percent(None if test is None else 1 - test, 2), "scored once, at the end"),
        (
            "Full length",
            count(len(searched.finished)),
            f"of {plural(len(searched.trials), 'trial')}",
        ),
        ("Ended early", count(ended), "diverged, or sure to fail"),
        ("Time", duration(found.get("seconds")), f"of {duration(budget)}" if budget else ""),
        ("Overhead", percent(found.get("overhead")), "neither training nor scoring"),
    ]
    return card_grid(cards)


def draw(searched: Searched) -> Html:
    """The winner's values, the finalists over their seeds, and the commands."""
    winner = searched.winner
    if winner is None:
        words = "No trial was scored, so there is no winner. Give the search a longer --budget."
        return tag("p", words, class_="empty card")
    side = [finalists(searched), folds(searched), _repeat(searched)]
    return tag("div", _values(searched, winner), tag("div", *side, class_="stack"), class_="grid")


def _values(searched: Searched, winner: Trial) -> Html:
    rows = [
        [
            tag("th", tag("code", name), scope="row"),
            tag("td", value_text(value), class_="number value"),
            tag("td", _place(parameter, value)),
            tag("td", parameter.scale if parameter else "", class_="soft"),
        ]
        for name, value in winner.values.items()
        for parameter in [next((p for p in searched.parameters if p.name == name), None)]
    ]
    heads = ["parameter", numeric_head("winner"), "where in its range", "range searched"]
    note = (
        "The mark stands where the value lies between the ends of its range; the outer tenths are "
        "darker: a winner there may want a wider range."
    )
    return tag(
        "div",
        tag("h3", f"Values of trial {winner.number}"),
        table(heads, rows, class_="winner"),
        tag("p", note, class_="note") if rows else None,
        _usual(searched, winner),
        class_="card found",
    )


def _place(parameter: Parameter | None, value: Value) -> Html | None:
    at = None if parameter is None else parameter.position(value)
    if parameter is None or at is None:
        return None
    outer = () if parameter.choices else (0.0, 100.0 * (1 - OUTER))
    return tag(
        "svg",
        tag("rect", x=0, y=3, width=100, height=6, class_="track"),
        *(tag("rect", x=x, y=3, width=100 * OUTER, height=6, class_="outer") for x in outer),
        tag("rect", x=100 * min(max(at, 0.0), 1.0) - 1.2, y=0, width=2.4, height=12, class_="won"),
        viewBox="-2 0 104 12",
        class_="place",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"{percent(at, 0)} of the way through the range",
    )


def _usual(searched: Searched, winner: Trial) -> Html | None:
    """The winner beside trial 0, which is the recipe that would be used without a search."""
    usual = next((trial for trial in searched.trials if trial.number == 0), None)
    if usual is None or not usual.curve or usual.stage not in ("coarse", "halving"):
        return None
    if usual.number == winner.number:
        words = "The winner is trial 0: what train would use by itself."
        return tag("p", words, class_="note")
    mine = dict(winner.curve)
    common = [(part, value) for part, value in usual.curve if part in mine]
    if not common:
        return None
    part, value = common[-1]
    share = searched.share(part)
    when = "after a full run" if share >= 1 else f"after {percent(share, 0)} of a full run"
    return tag(
        "p",
        f"Trial 0 is what train would use by itself, as far as the ranges hold it: {when} its "
        f"validation error was {percent(value, 2)}, the winner's {percent(mine[part], 2)}.",
        class_="note",
    )


def _repeat(searched: Searched) -> Html:
    found = searched.found
    data = shlex.quote(visible(found.get("data") or "DATA"))
    folder = str(found.get("folder") or "").rstrip("/")
    parts: list[Html] = []
    if found.get("full_run") is not None:
        parts.append(
            tag(
                "p",
                "The winner was trained once more to a full run folder; its test pictures were "
                "scored once, then: ",
                tag("a", "report of the winner's run", href="winner/report.html"),
                ". This repeats it exactly:",
            )
        )
        recipe = shlex.quote(visible(found.get("recipe") or f"{folder}/winner/recipe.json"))
        parts.append(tag("pre", tag("code", f"steadygrad train {data} --recipe {recipe}")))
    else:
        parts.append(
            tag("p", "The search is not finished. The same command, given again, goes on with it.")
        )
    return tag("div", tag("h3", "Use it, repeat it"), *parts, class_="card prose")
