"""`steadygrad check DATA`."""

from __future__ import annotations

from typing import Any

import click

from steadygrad.cli.options import (
    Duration,
    RecipeCommand,
    json_option,
    print_json,
    recipe_options,
    typed_recipe,
)
from steadygrad.cli.progress import Progress
from steadygrad.cli.train import status_of

EXAMPLES = """
\b
Examples:
  steadygrad check digits
  steadygrad check photos/ --model resnet18 --lr 0.1
  steadygrad check photos.csv --model nets.py:tiny --fail-on error
  steadygrad check photos/ --json - | jq .verdict

Takes the recipe's options as `steadygrad train` does. Nothing is written and nothing is kept: all
of it happens on copies.
"""


@click.command("check", cls=RecipeCommand, epilog=EXAMPLES)
@click.argument("data")
@click.option("--recipe", "recipe_path", metavar="FILE", help="Start from a recipe.json.")
@click.option("--data-root", metavar="FOLDER", help="Where known data sets lie.")
@click.option(
    "--seconds", type=Duration(), metavar="DURATION", help="Time it may take (default 50s)."
)
@click.option(
    "--fail-on", type=click.Choice(["error", "warning", "note"]), help="Exit 3 on such findings."
)
@click.option("--quiet", is_flag=True, help="No progress, only the result.")
@json_option
@recipe_options
def command(data: str, **options: Any) -> int:
    """Go through the checklist before training: data, inputs, loss, signals, 20 examples, rate."""
    from steadygrad.fit import asked_recipe
    from steadygrad.preflight import check
    from steadygrad.preflight.run import SECONDS

    recipe = asked_recipe(options["recipe_path"], typed_recipe(options))
    with Progress(quiet=options["quiet"]) as progress:
        found = check(
            data,
            recipe,
            data_root=options["data_root"],
            seconds=options["seconds"] or SECONDS,
            show=progress,
        )
    if options["json_path"] != "-":
        click.echo(found.text())
    print_json(options["json_path"], found.to_dict())
    return status_of([{"severity": each} for each in found.severities], options["fail_on"])
