"""`steadygrad report RUN`."""

from __future__ import annotations

from pathlib import Path

import click

EXAMPLES = """
\b
Examples:
  steadygrad report runs/photos-1
  steadygrad report runs/search-photos     (a search, one that was cut off too)
"""


@click.command("report", epilog=EXAMPLES)
@click.argument("run")
def command(run: str) -> int:
    """Write RUN's report.html again from what the run, or the search, recorded."""
    from steadygrad.report.html import write_report
    from steadygrad.report.saved import load_report_data

    if _is_search(Path(run)):
        from steadygrad.search.written import write_page

        click.echo(write_page(run))
        return 0
    path = Path(run) / "report.html"
    write_report(path, load_report_data(run))
    click.echo(path)
    return 0


def _is_search(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("search.json", "study.journal"))
