"""Rule broken-images."""

from __future__ import annotations

from collections.abc import Iterator

from steadygrad.record import Finding, Record, Where
from steadygrad.rules.reading import listed

ERROR_FRACTION = 0.1
"""Beyond it the set is not the one that was meant: a broken copy, a wrong folder."""


def broken_images(record: Record) -> Iterator[Finding]:
    """Some files give no picture: they don't decode, are truncated, empty, or no pictures at all.

    Severity: error or warning

    What
        Files listed as pictures that could not be decoded to the end. They are left out of every
        split. An error beyond 10 % of the files, else a warning.
    Why
        A loader that replaces what it can't read, or pads what is cut off, trains on gray boxes
        under a real label and nobody learns of it.
    Fix
        Fetch the files again, or delete them: `steadygrad audit DATA --json -` lists every one
        with its reason. If they are expected, train with `--allow-broken`.
    Source
        The decoder's own errors (docs/images.md).
    """
    audit = record.facts.audit
    broken, num_files = int(audit.get("num_broken", 0)), int(audit.get("num_files", 0))
    if not broken:
        return
    rows = list(audit.get("broken", []))
    share = broken / num_files if num_files else 1.0
    examples = [f"{row['name']} ({row['reason']})" for row in rows[:3]]
    shown = f", for example {listed(examples)}" if examples else ""
    yield Finding(
        rule="broken-images",
        severity="error" if share > ERROR_FRACTION else "warning",
        step=0,
        saw=f"{broken} of {num_files} files ({share:.1%}) give no picture{shown}. "
        "They are left out.",
        expected="Every file decodes to the end.",
        fix="Fetch these files again or delete them; `steadygrad audit DATA` lists them.",
        source="decoding every file once",
        where=Where(file=rows[0]["name"] if rows else None),
        numbers={"broken": broken, "files": num_files, "fraction": share},
    )
