"""`steadygrad evaluate MODEL DATA`."""

from __future__ import annotations

import click

from steadygrad.cli.options import json_option, print_json
from steadygrad.cli.progress import Progress

EXAMPLES = """
\b
Examples:
  steadygrad evaluate runs/photos-1 new-photos/
  steadygrad evaluate runs/photos-1 photos/ --split val --json scores.json
"""


@click.command("evaluate", epilog=EXAMPLES)
@click.argument("model")
@click.argument("data")
@click.option(
    "--split",
    type=click.Choice(["auto", "test", "val", "train", "all"]),
    default="auto",
    show_default=True,
    help="Which pictures (auto: the test split where there is one, else all).",
)
@click.option("--data-root", metavar="FOLDER", help="Where known data sets lie.")
@json_option
def command(model: str, data: str, split: str, data_root: str | None, json_path: str | None) -> int:
    """Score a trained model (a run folder) on labelled pictures; classes are matched by name."""
    from steadygrad import fit
    from steadygrad.report.scores import evaluation_text

    with Progress() as progress:
        scores = fit.evaluate_model(model, data, split=split, data_root=data_root, show=progress)
    if json_path != "-":
        click.echo(evaluation_text(scores))
    print_json(json_path, scores)
    return 0
