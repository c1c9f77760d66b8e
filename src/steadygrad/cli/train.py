"""`steadygrad train DATA`."""

from __future__ import annotations

import sys
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
from steadygrad.errors import SteadygradError
from steadygrad.record.recipe import spelled

JOB_OPTIONS = ("out", "overwrite", "data_root", "allow_broken")
EXAMPLES = """
\b
Examples:
  steadygrad train digits
  steadygrad train photos/ --budget 5m
  steadygrad train photos.csv --model resnet18 --epochs 30 --out runs/photos
  steadygrad train photos/ --from runs/flowers-1 --freeze 0.5
  steadygrad train --resume runs/photos
  steadygrad train photos/ --summary

DATA is a folder with one sub-folder per class (optionally train/, val/, test/ above them), a CSV
with the columns path,label[,split], a folder of IDX or CIFAR files, or digits, mnist,
fashion-mnist, cifar10, cifar100. Every option has a default that fits the data and the machine.
"""


@click.command("train", cls=RecipeCommand, epilog=EXAMPLES)
@click.argument("data", required=False)
@click.option("--out", metavar="FOLDER", help="The run folder (default runs/NAME-1, -2, …).")
@click.option("--overwrite", is_flag=True, help="Replace an earlier run in the folder.")
@click.option("--resume", metavar="RUN", help="Go on with an interrupted run.")
@click.option("--recipe", "recipe_path", metavar="FILE", help="Start from a recipe.json.")
@click.option("--data-root", metavar="FOLDER", help="Where known data sets lie.")
@click.option("--allow-broken", is_flag=True, help="Train although over 10 % of files are broken.")
@click.option("--summary", is_flag=True, help="Print the layer table and stop.")
@click.option(
    "--fail-on", type=click.Choice(["error", "warning", "note"]), help="Exit 3 on such findings."
)
@click.option(
    "--checkpoint-every",
    type=Duration(),
    metavar="DURATION",
    help="Time between two checkpoints: the most a power cut costs (default 30s).",
)
@click.option(
    "--watch/--no-watch",
    "watch",
    default=None,
    help="Look on while it trains and name faults (default: --watch).",
)
@click.option(
    "--on-fault",
    type=click.Choice(["warn", "stop", "fix", "ignore"]),
    help="What follows a certain fault: say it; also stop where training can't work (default); "
    "repair it and go on; say nothing.",
)
@click.option("--quiet", is_flag=True, help="No progress, only the result.")
@json_option
@recipe_options
def command(data: str | None, resume: str | None, **options: Any) -> int:
    """Train a classifier on labelled pictures and write a report and a file to deploy."""
    if (data is None) == (resume is None):
        raise click.UsageError("Give DATA, or --resume RUN: one of the two.")
    from steadygrad.report.text import summary_text

    try:
        summary = _trained(data, resume, options)
    except SteadygradError as error:
        if options["fail_on"] and hasattr(error, "finding"):
            error.exit_status = status_of([{"severity": "error"}], options["fail_on"])
        raise
    if summary is None:
        return 0
    if options["json_path"] != "-":
        click.echo(summary_text(summary["data"], summary, summary["folder"]))
    print_json(options["json_path"], summary)
    return status_of(summary["findings"], options["fail_on"])


def _trained(
    data: str | None, resume: str | None, options: dict[str, Any]
) -> dict[str, Any] | None:
    """The summary of the run; None where only the layer table was asked for."""
    from steadygrad import fit

    asked_of_job = {
        "checkpoint_seconds": options["checkpoint_every"],
        "on_fault": options["on_fault"],
        "watch": options["watch"],
    }
    with Progress(quiet=options["quiet"]) as progress:
        if resume is not None:
            _refuse_beside_resume(options)
            return fit.resume(resume, **asked_of_job, show=progress)
        chosen = {name: options[name] for name in JOB_OPTIONS}
        given = {name: value for name, value in asked_of_job.items() if value is not None}
        job = fit.Job(str(data), **chosen, **given, command=sys.argv[1:])
        asked = fit.asked_recipe(options["recipe_path"], typed_recipe(options))
        if options["summary"]:
            click.echo(fit.layer_summary(job, asked, show=progress))
            return None
        return fit.run(job, asked, show=progress)


def _refuse_beside_resume(options: dict[str, Any]) -> None:
    given = [spelled(name) for name in typed_recipe(options)]
    names = (*JOB_OPTIONS, "recipe_path", "summary")
    given += [spelled(name.removesuffix("_path")) for name in names if options[name]]
    if given:
        raise click.UsageError(
            f"--resume repeats the run as it was asked for; leave out --{', --'.join(given)}."
        )


def status_of(findings: list[dict[str, Any]], fail_on: str | None) -> int:
    """Exit status 3 when a finding is at or above `fail_on`, else 0."""
    order = ["note", "warning", "error"]
    if fail_on is None:
        return 0
    worst = max((order.index(finding["severity"]) for finding in findings), default=-1)
    return 3 if worst >= order.index(fail_on) else 0
