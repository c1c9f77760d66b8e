"""`steadygrad search DATA`."""

from __future__ import annotations

from typing import Any

import click

from steadygrad.cli.options import (
    RecipeCommand,
    json_option,
    print_json,
    recipe_options,
    typed_recipe,
)
from steadygrad.cli.progress import Progress, show_seconds

EXAMPLES = """
\b
Examples:
  steadygrad search digits --budget 5m
  steadygrad search photos/ --space 'lr=1e-4..1:log,dropout=0..0.5,optimizer=nesterov|adamw'
  steadygrad search photos/ --storage postgresql://host/studies      (on any number of machines)
  steadygrad train photos/ --recipe runs/search-photos/winner

--budget is for everything, the winner's full run included (default 10m). What is given with a
recipe's own option stays as it is; the rest is searched or chosen. The same command continues an
interrupted search, and joins one that runs.
"""


@click.command("search", cls=RecipeCommand, epilog=EXAMPLES)
@click.argument("data")
@click.option("--space", default="", help="What is searched: name=low..high[:log] or name=a|b, …")
@click.option("--out", default="", metavar="FOLDER", help="Folder (default runs/search-NAME).")
@click.option(
    "--storage",
    default="",
    metavar="FILE|URL",
    help="Where the study is kept (default FOLDER/study.journal; .db: SQLite; or a database).",
)
@click.option("--jobs", type=click.IntRange(1, 256), default=1, help="Trials at once, here.")
@click.option("--data-root", metavar="FOLDER", help="Where known data sets lie.")
@click.option("--allow-broken", is_flag=True, help="Search although over 10 % of files are broken.")
@click.option("--quiet", is_flag=True, help="No progress, only the result.")
@json_option
@recipe_options
def command(data: str, **options: Any) -> int:
    """Find a recipe by itself, coarse to fine, and train it to a full run."""
    from steadygrad.record import Recipe
    from steadygrad.search import DEFAULT_SECONDS, Search, account_text, search

    names = ("space", "out", "storage", "jobs", "data_root", "allow_broken")
    typed = typed_recipe(options)
    seconds = typed.pop("budget_seconds", DEFAULT_SECONDS)
    chosen = {name: options[name] for name in names}
    wanted = Search(data, Recipe().replace(**typed), seconds, **chosen)
    with Progress(quiet=options["quiet"]) as progress:
        found = search(wanted, show=progress, listener=Teller(progress))
    if options["json_path"] != "-":
        click.echo(account_text(found))
        full = found["full_run"]
        click.echo(f"  The winner's full run: {full['folder']} ({show_seconds(found['seconds'])})")
        click.echo(f"  Again: steadygrad train {data} --recipe {found['recipe']}")
    print_json(options["json_path"], found)
    return 0


class Teller:
    """Says what a search does, a line per trial."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def begun(self, trial: Any, target: int, stage: str) -> None:
        """Drop it: the line comes when the trial is left."""

    def left(self, trial: Any, tried: list[Any], parts_left: float) -> None:  # noqa: ARG002
        """A trial was paused, finished or ended."""
        counts = {state: sum(t.state == state for t in tried) for state in ("running", "ended")}
        full = max((max(t.curve, default=0) for t in tried), default=1) or 1
        value = "no score" if trial.value is None else f"validation error {trial.value:.4g}"
        news = f", {trial.reason}" if trial.reason else ""
        scored = [t.value for t in tried if t.parts == full and t.value is not None]
        best = f"; best {min(scored):.4g}" if scored else ""
        self._progress.say(
            f"trial {trial.number} ({trial.stage}), part {trial.parts}: {value}{news}{best}; "
            f"{len(tried)} trials, {counts['running']} running, {counts['ended']} ended"
        )

    def decided(self, text: str) -> None:
        """A range was widened, or not, and why."""
        self._progress.say(text)
