"""`steadygrad search DATA`."""

from __future__ import annotations

import time
from typing import Any

import click

from steadygrad.cli.options import (
    RecipeCommand,
    json_option,
    print_json,
    recipe_options,
    typed_recipe,
)
from steadygrad.cli.progress import show_seconds
from steadygrad.cli.search_progress import SearchProgress

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
@click.option(
    "--folds",
    type=int,
    default=0,
    metavar="K",
    help="For small sets: judge full-length trials by the mean over K folds of the training and "
    "validation pictures. The test split stays out of it and is scored once.",
)
@click.option("--data-root", metavar="FOLDER", help="Where known data sets lie.")
@click.option("--allow-broken", is_flag=True, help="Search although over 10 % of files are broken.")
@click.option("--quiet", is_flag=True, help="No progress, only the result.")
@json_option
@recipe_options
def command(data: str, **options: Any) -> int:
    """Find a recipe by itself, coarse to fine, and train it to a full run."""
    began = time.time()  # before the imports: they take seconds, and are of the budget
    from steadygrad.record import Recipe
    from steadygrad.search import DEFAULT_SECONDS, Search, account_text, folds_text, search

    names = ("space", "out", "storage", "jobs", "folds", "data_root", "allow_broken")
    typed = typed_recipe(options)
    seconds = typed.pop("budget_seconds", DEFAULT_SECONDS)
    chosen = {name: options[name] for name in names}
    wanted = Search(data, Recipe().replace(**typed), seconds, began=began, **chosen)
    with SearchProgress(seconds, began, quiet=options["quiet"]) as progress:
        found = search(wanted, show=progress, listener=progress)
    if options["json_path"] != "-":
        click.echo(account_text(found))
        full = found["full_run"]
        if found["folds"]:
            test = full["test"] and 1 - full["test"]["accuracy"]
            click.echo(f"  The winner: {folds_text(found['folds'], test)}.")
        click.echo(f"  The winner's full run: {full['folder']} ({show_seconds(found['seconds'])})")
        click.echo(f"  Again: steadygrad train {data} --recipe {found['recipe']}")
    print_json(options["json_path"], found)
    return 0
