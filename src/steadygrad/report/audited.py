"""What the data audit says in plain words, for the page and for the terminal alike."""

from __future__ import annotations

from typing import Any, NamedTuple

from steadygrad.report import reading
from steadygrad.report.words import count, plural

MODES = {
    "L": "gray",
    "RGB": "colour",
    "1": "black and white",
    "P": "palette",
    "LA": "gray with transparency",
    "RGBA": "colour with transparency",
    "I;16": "16-bit gray",
}
"""Pillow's names of colour modes in words; the others are names already."""


class Item(NamedTuple):
    """One thing the audit found, with the pictures it is about."""

    severity: str
    """"good", "note", "warning" or "error"."""
    title: str
    advice: str
    rows: list[str]


def audit_items(audit: dict[str, Any]) -> list[Item]:
    """What the audit found, worst kind first; sound points come as "good"."""
    if not audit:
        return []
    return [
        _broken(audit),
        _groups(
            reading.rows(audit, "across_splits"),
            "error",
            "group of the same picture in more than one split",
            "groups of the same picture in more than one split",
            "no picture is in more than one split",
            "The score counts pictures the network has learned from: keep each on one side.",
        ),
        _groups(
            reading.rows(audit, "conflicting_labels"),
            "warning",
            "group of the same picture under different labels",
            "groups of the same picture under different labels",
            "no picture has two labels",
            "Look at them and keep the right label: no network can get both right.",
        ),
        *_missing(audit),
        _groups(
            reading.rows(audit, "exact_duplicates"),
            "note",
            "group of identical files",
            "groups of identical files",
            "no identical files",
            "They count several times in training; a made split keeps them on one side.",
        ),
        _groups(
            reading.rows(audit, "near_duplicates"),
            "note",
            "group of nearly identical pictures",
            "groups of nearly identical pictures",
            "no nearly identical pictures",
            "A made split keeps each group on one side.",
        ),
        *(Item("note", str(text), "", []) for text in reading.rows(audit, "notes")),
    ]


def _broken(audit: dict[str, Any]) -> Item:
    broken: list[dict[str, Any]] = reading.rows(audit, "broken")
    number = int(audit.get("num_broken", len(broken)) or 0)
    files = int(audit.get("num_files", 0) or 0)
    if not number:
        return Item("good", "every file decodes", "", [])
    share = f" of {count(files)}" if files else ""
    rows = [f"{row.get('name', '?')}: {row.get('reason', 'unknown reason')}" for row in broken]
    severity = "error" if files and number > 0.1 * files else "warning"
    title = f"{plural(number, 'file')}{share} can't be read and {'is' if number == 1 else 'are'}"
    return Item(severity, f"{title} left out", "Mend or delete them.", rows)


def _groups(groups: list[Any], severity: str, one: str, many: str, none: str, advice: str) -> Item:
    if not groups:
        return Item("good", none, "", [])
    rows = [" = ".join(str(name) for name in group) for group in groups]
    return Item(severity, plural(len(rows), one, many), advice, rows)


def _missing(audit: dict[str, Any]) -> list[Item]:
    missing = {
        split: classes
        for split in reading.mapping(audit, "missing_classes")
        if (classes := reading.rows(reading.mapping(audit, "missing_classes"), split))
    }
    if not missing:
        return [Item("good", "every split has every class", "", [])]
    return [
        Item(
            "error" if split == "train" else "warning",
            f"the {split} split has no picture of {plural(len(classes), 'class', 'classes')}",
            "What is never seen can't be learned, and what isn't tested is unknown.",
            [str(name) for name in classes],
        )
        for split, classes in missing.items()
    ]


def audit_facts(audit: dict[str, Any]) -> list[tuple[str, str]]:
    """(name, value) pairs of what the pictures are: number, sizes, modes, formats."""
    facts: list[tuple[str, str]] = []
    if "num_files" in audit:
        facts.append(("Files", count(audit["num_files"])))
    sizes = reading.mapping(audit, "sizes")
    if sizes:
        words = {"min": "smallest", "median": "median", "max": "largest"}
        texts = {key: f"{size[0]} × {size[1]}" for key, size in sizes.items() if size}
        if len(set(texts.values())) == 1:
            facts.append(("Size in pixels", f"all {next(iter(texts.values()))}"))
        elif texts:
            text = ", ".join(f"{words.get(key, key)} {value}" for key, value in texts.items())
            facts.append(("Size in pixels", text))
    for key, name in (("modes", "Colour modes"), ("formats", "File formats")):
        numbers = reading.mapping(audit, key)
        if numbers:
            ordered = sorted(numbers.items(), key=lambda item: -int(item[1]))
            words = (f"{count(n)} {MODES.get(what, what)}" for what, n in ordered)
            facts.append((name, ", ".join(words)))
    return facts
