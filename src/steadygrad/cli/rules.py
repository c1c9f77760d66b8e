"""`steadygrad rules [NAME]`."""

from __future__ import annotations

import click

from steadygrad.cli.options import json_option, print_json

EXAMPLES = """
\b
Examples:
  steadygrad rules
  steadygrad rules leakage
"""


@click.command("rules", epilog=EXAMPLES)
@click.argument("name", required=False)
@json_option
def command(name: str | None, json_path: str | None) -> int:
    """List the faults Steadygrad knows by name, or show one rule's page."""
    from steadygrad import rules

    if name is not None:
        page = rules.page(name)
        if json_path != "-":
            click.echo(page)
        print_json(json_path, {"name": name, "page": page})
        return 0
    rows = rules.catalogue()
    print_json(json_path, rows)
    if json_path == "-":
        return 0
    width = max(len(row["name"]) for row in rows)
    severity = max(len(row["severity"]) for row in rows)
    for row in rows:
        click.echo(f"{row['name']:<{width}}  {row['severity']:<{severity}}  {row['summary']}")
    return 0
