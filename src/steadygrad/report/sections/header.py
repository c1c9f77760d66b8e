"""What was trained on what, and how well."""

from __future__ import annotations

from typing import Any

from steadygrad.report import reading
from steadygrad.report.data import ReportData
from steadygrad.report.markup import Html, tag
from steadygrad.report.measure import best_epoch, confused_pairs, majority_fraction
from steadygrad.report.scales import ticks
from steadygrad.report.sections import watched
from steadygrad.report.tables import card_grid
from steadygrad.report.text import verdict
from steadygrad.report.words import count, duration, number, number_or_none, percent, short_count


def draw(data: ReportData) -> Html:
    """Name of the data, the verdict in words, the numbers everybody asks for."""
    if watched.is_watched_script(data):
        return tag(
            "header",
            tag("p", "Report of a watched run", class_="kicker"),
            tag("h1", tag("bdi", data.title)),
            tag("p", watched.subtitle(data), class_="subtitle"),
            watched.verdict(data),
            card_grid(watched.cards(data)),
        )
    split, evaluation = data.scored or ("test", {})
    accuracy = number_or_none(evaluation.get("accuracy"))
    sentence = verdict(split, evaluation or None) + "."
    if not data.scored:
        sentence = "Not scored: there was neither a test nor a validation split."
    hero = tag(
        "div",
        tag("p", percent(accuracy), class_="big") if accuracy is not None else None,
        tag("div", tag("p", sentence, class_="verdict"), *_remarks(data), class_="words"),
        class_="hero card",
    )
    return tag(
        "header",
        tag("p", "Training report", class_="kicker"),
        tag("h1", tag("bdi", data.title)),
        tag("p", _subtitle(data), class_="subtitle"),
        hero,
        _cards(data),
    )


def _subtitle(data: ReportData) -> str:
    facts, parts = data.record.facts, list[str]()
    if data.resolved.get("model"):
        parts.append(str(data.resolved["model"]))
    if facts.classes:
        parts.append(f"{count(len(facts.classes))} classes")
    trained = sum(facts.class_counts.get("train", []))
    if trained:
        parts.append(f"{count(trained)} training pictures")
    if len(facts.image_shape) == 3:
        channels, height, width = facts.image_shape
        parts.append(f"{width} × {height} {'gray' if channels == 1 else 'colour'}")
    return " · ".join(parts)


def _remarks(data: ReportData) -> list[Html]:
    if data.scored is None:
        return []
    split, evaluation = data.scored
    parts: list[Html] = [_strip(evaluation)]
    baseline = majority_fraction(reading.confusion(evaluation))
    words: list[str] = []
    if baseline is not None:
        words.append(f"Always answering the most common class would get {percent(baseline)}.")
    if weakest := _weakest(data, evaluation):
        words.append(weakest)
    if split != "test":
        words.append("There was no test split; this choice-making split flatters a little.")
    parts.append(tag("p", " ".join(words), class_="remark"))
    return parts


def _weakest(data: ReportData, evaluation: dict[str, Any]) -> str:
    recall, classes = reading.numbers(evaluation, "recall"), data.record.facts.classes
    known = [(value, index) for index, value in enumerate(recall) if value is not None]
    if not known or len(classes) <= max(i for _, i in known):
        return ""
    value, index = min(known)
    pairs = confused_pairs(reading.confusion(evaluation), 1_000_000)
    taken = next((classes[pair.predicted] for pair in pairs if pair.true == index), None)
    tail = f", most often taken for “{taken}”" if taken is not None else ""
    return f"Weakest class: “{classes[index]}”, {percent(value)} of its pictures found{tail}."


def _strip(evaluation: dict[str, Any]) -> Html:
    """Accuracy on a line from 0 to 100 %, its interval, and what always one answer would get."""
    accuracy = number_or_none(evaluation.get("accuracy")) or 0.0
    at = 600.0 * accuracy
    parts = [
        tag("rect", x=0, y=6, width=600, height=8, rx=4, class_="track"),
        tag("rect", x=0, y=6, width=at, height=8, rx=4, class_="fill tone-blue"),
    ]
    if ends := reading.interval(evaluation):
        low, high = ends
        width = max(600 * (high - low), 1.5)
        parts.append(tag("rect", x=600 * low, y=2, width=width, height=16, rx=2, class_="interval"))
    baseline = majority_fraction(reading.confusion(evaluation))
    if baseline is not None:
        x = 600 * baseline
        parts.append(tag("line", x1=x, x2=x, y1=1, y2=19, class_="baseline"))
    parts += [
        tag("text", f"{100 * value:g}", x=600 * value, y=37, class_="tick middle")
        for value in ticks(0, 1)
    ]
    label = "Accuracy from 0 to 100 %, its 95 % interval, and the most common class's share"
    return tag("svg", *parts, viewBox="-12 0 624 42", class_="strip", role="img", aria_label=label)


def _cards(data: ReportData) -> Html:
    summary, parity = data.summary, reading.mapping(data.summary, "parity")
    best = best_epoch(data.record.epochs)
    val = (data.val or {}).get("accuracy")
    if val is None and best is not None:
        val = best.val_accuracy
    agreement = parity.get("top1_agreement")
    off = f"within {number(parity.get('max_abs_probability_difference'), 2)}" if parity else ""
    threads = data.resolved.get("precision") or ""
    cards = [
        ("Test accuracy", percent((data.test or {}).get("accuracy")), _loss(data.test)),
        ("Val accuracy", percent(val), _loss(data.val)),
        (
            "Parameters",
            short_count(summary.get("parameters") or data.record.facts.num_parameters or None),
            "",
        ),
        ("Epochs", _epochs(data), f"best: epoch {best.epoch + 1}" if best else ""),
        ("Training time", duration(summary.get("train_seconds")), ""),
        ("Speed", count(summary.get("images_per_second")), f"images/s {threads}".strip()),
        ("Export parity", percent(agreement), off or "no proof"),
    ]
    return card_grid(cards)


def _epochs(data: ReportData) -> str:
    done = data.summary.get("epochs", len(data.record.epochs))
    planned = number_or_none(data.resolved.get("epochs"))
    stopped = planned and number_or_none(done) is not None and planned > float(done)
    return f"{count(done)} of {count(planned)}" if stopped else count(done)


def _loss(evaluation: dict[str, Any] | None) -> str:
    loss = number_or_none((evaluation or {}).get("loss"))
    return "" if loss is None else f"loss {number(loss, 3)}"
