"""The data: what the audit found, how it is split, what the network sees."""

from __future__ import annotations

from steadygrad.report.audited import Item, audit_facts, audit_items
from steadygrad.report.data import ReportData
from steadygrad.report.markup import Html, tag
from steadygrad.report.picture import within
from steadygrad.report.sections.findings import icon
from steadygrad.report.sections.gallery import gallery
from steadygrad.report.words import count, plural, shorten

MAX_SAMPLES, SAMPLE_BYTES = 32, 400_000
MAX_ROWS = 40
"""Names listed per kind of trouble; all of them stand in the run's record."""
MAX_BARS = 40
TONES = {"train": "blue", "val": "green", "test": "orange"}


def draw(data: ReportData) -> Html:
    """Splits and facts, trouble, class counts, sample pictures."""
    facts = data.record.facts
    shape = [_facts(data), _trouble(audit_items(facts.audit))]
    parts: list[Html | None] = []
    if any(shape):
        parts.append(tag("div", *shape, class_="grid"))
    if facts.class_counts and facts.classes:
        parts.append(_class_counts(facts.classes, facts.class_counts))
    parts.append(_samples(data))
    return tag("div", *parts) if any(parts) else Html("")


def _facts(data: ReportData) -> Html | None:
    facts = data.record.facts
    rows = [
        (f"{split.capitalize()} split", plural(sum(numbers), "picture"))
        for split, numbers in sorted(facts.class_counts.items(), key=_split_order)
    ]
    rows += audit_facts(facts.audit)
    if not rows:
        return None
    pairs = [(tag("dt", name), tag("dd", value)) for name, value in rows]
    return tag("div", tag("h3", "Pictures"), tag("dl", *pairs, class_="facts"), class_="card")


def _split_order(item: tuple[str, list[int]]) -> int:
    names = list(TONES)
    return names.index(item[0]) if item[0] in names else len(names)


def _trouble(items: list[Item]) -> Html | None:
    if not items:
        return None
    rows = [tag("li", icon(item.severity), tag("div", *_item(item))) for item in items]
    return tag("div", tag("h3", "Audit"), tag("ul", *rows, class_="audit"), class_="card")


def _item(item: Item) -> list[Html | None]:
    title = item.title[:1].upper() + item.title[1:]
    head = tag("span", title, class_="soft" if item.severity == "good" else None)
    if not item.rows:
        return [head]
    names = [tag("li", tag("bdi", shorten(row, 160))) for row in item.rows[:MAX_ROWS]]
    left = len(item.rows) - len(names)
    more = tag("p", f"… and {count(left)} more", class_="soft") if left > 0 else None
    listed = tag("details", tag("summary", "Which"), tag("ul", *names, class_="names"), more)
    return [head, tag("p", item.advice, class_="soft") if item.advice else None, listed]


def _class_counts(classes: list[str], counts: dict[str, list[int]]) -> Html:
    splits = [split for split in TONES if counts.get(split)] or list(counts)
    totals = [sum(_at(counts[split], i) for split in splits) for i in range(len(classes))]
    order = sorted(range(len(classes)), key=lambda i: (-totals[i], i))
    if len(classes) <= MAX_BARS:
        chart = _bars(classes, counts, splits)
        note = ""
    else:
        chart = _columns(classes, totals, order)
        note = f"{count(len(classes))} classes, the most pictures first."
    legend = tag(
        "span",
        *(
            tag("span", tag("i", class_=f"swatch bar tone-{TONES.get(s, 'gray')}"), s)
            for s in splits
            if len(classes) <= MAX_BARS
        ),
        class_="legend",
    )
    head = tag("figcaption", tag("h3", "Pictures per class"), legend)
    note_line = tag("p", f"{note} {_balance(classes, totals, order)}".strip(), class_="note")
    return tag("figure", head, chart, note_line, class_="chart card wide")


def _at(numbers: list[int], index: int) -> int:
    return numbers[index] if index < len(numbers) else 0


def _balance(classes: list[str], totals: list[int], order: list[int]) -> str:
    most, least = order[0], order[-1]
    if totals[most] == totals[least]:
        return "All classes have the same number."
    return (
        f"Most: “{shorten(classes[most])}” with {count(totals[most])}; fewest: "
        f"“{shorten(classes[least])}” with {count(totals[least])}."
    )


def _bars(classes: list[str], counts: dict[str, list[int]], splits: list[str]) -> Html:
    totals = [sum(_at(counts[split], index) for split in splits) for index in range(len(classes))]
    most = max(*totals, 1)
    rows: list[Html] = []
    for index, name in enumerate(classes):
        x, boxes = 0.0, list[Html]()
        for split in splits:
            value = _at(counts[split], index)
            box = {"x": x, "y": 0, "width": 1000 * value / most, "height": 10}
            tip = f"{shorten(name)}, {split}: {count(value)}"
            tone = f"fill tone-{TONES.get(split, 'gray')}"
            boxes.append(tag("rect", **box, class_=tone, data_tip=tip))
            x += 1000 * value / most
        view = {"viewBox": "0 0 1000 10", "preserveAspectRatio": "none", "aria_hidden": "true"}
        head = tag("th", tag("bdi", shorten(name)), scope="row", title=name)
        total = tag("td", count(totals[index]), class_="number")
        rows.append(tag("tr", head, tag("td", tag("svg", *boxes, **view)), total))
    label = "Pictures per class, all splits together"
    return tag("table", tag("tbody", *rows), class_="bars", aria_label=label)


def _columns(classes: list[str], totals: list[int], order: list[int]) -> Html:
    most = max(totals[order[0]], 1)
    width, height = 1000.0 / len(order), 130.0
    parts = [
        tag(
            "rect",
            x=rank * width,
            y=height * (1 - totals[index] / most),
            width=max(width * 0.85, 0.4),
            height=height * totals[index] / most,
            class_="fill tone-blue",
            data_tip=f"{shorten(classes[index])}: {count(totals[index])}",
        )
        for rank, index in enumerate(order)
    ]
    label = "Pictures per class, the largest class first"
    return tag("svg", *parts, viewBox=f"0 0 1000 {height:g}", role="img", aria_label=label)


def _samples(data: ReportData) -> Html | None:
    shown = within(data.samples, MAX_SAMPLES, SAMPLE_BYTES)
    if not shown:
        return None
    words = "After cropping, flipping and the rest of the augmentation, before the first layer."
    head = tag("h3", "Training pictures as the network sees them")
    return tag("div", head, tag("p", words, class_="note"), gallery(shown), class_="card")
