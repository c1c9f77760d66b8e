"""`steadygrad rules [NAME]`."""

from __future__ import annotations

import click

EXAMPLES = """
\b
Examples:
  steadygrad rules
  steadygrad rules leakage
"""


@click.command("rules", epilog=EXAMPLES)
@click.argument("name", required=False)
def command(name: str | None) -> int:
    """List the faults Steadygrad knows by name, or show one rule's page."""
    from steadygrad import rules

    if name is not None:
        click.echo(rules.page(name))
        return 0
    rows = rules.catalogue()
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        click.echo(f"{row['name']:<{width}}  {row['severity']:<14} {row['summary']}")
    return 0
