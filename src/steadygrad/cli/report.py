"""`steadygrad report RUN`."""

from __future__ import annotations

from pathlib import Path

import click

EXAMPLES = """
\b
Examples:
  steadygrad report runs/photos-1
"""


@click.command("report", epilog=EXAMPLES)
@click.argument("run")
def command(run: str) -> int:
    """Write RUN's report.html again from what the run recorded."""
    from steadygrad.report.html import write_report
    from steadygrad.report.saved import load_report_data

    path = Path(run) / "report.html"
    write_report(path, load_report_data(run))
    click.echo(path)
    return 0
