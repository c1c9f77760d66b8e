"""`steadygrad audit DATA`."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from steadygrad.cli.options import json_option, print_json
from steadygrad.cli.progress import Progress
from steadygrad.cli.train import status_of

EXAMPLES = """
\b
Examples:
  steadygrad audit photos/
  steadygrad audit photos.csv --json audit.json --fail-on error
"""


@click.command("audit", epilog=EXAMPLES)
@click.argument("data")
@click.option("--data-root", metavar="FOLDER", help="Where known data sets lie.")
@click.option("--limit", default=20, show_default=True, help="Names shown per list.")
@click.option(
    "--fail-on", type=click.Choice(["error", "warning", "note"]), help="Exit 3 on such findings."
)
@json_option
def command(
    data: str, data_root: str | None, limit: int, fail_on: str | None, json_path: str | None
) -> int:
    """List broken files, duplicates, leakage between splits, and class counts. Changes nothing."""
    from steadygrad import rules
    from steadygrad.images.dataset import audit_data
    from steadygrad.record import Facts, Record
    from steadygrad.report.text import audit_text, findings_text

    with Progress() as progress:
        progress.stage("reading pictures", total=1)
        audit = audit_data(data, data_root=data_root, progress=progress.advance)
    values: dict[str, Any] = audit.to_dict()
    findings = rules.run(Record(facts=Facts(audit=values, classes=list(values["class_counts"]))))
    found = [dataclasses.asdict(finding) for finding in findings]
    if json_path != "-":
        click.echo(f"{audit_text(values, limit)}\n\n{findings_text(findings)}")
    print_json(json_path, {**values, "findings": found})
    return status_of(found, fail_on)
