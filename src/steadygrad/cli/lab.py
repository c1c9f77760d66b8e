"""`steadygrad lab [NAME…]`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from steadygrad.cli.options import json_option, print_json
from steadygrad.cli.progress import Progress
from steadygrad.errors import InputError, choose

if TYPE_CHECKING:
    from steadygrad.lab.framework import Experiment, Option

MOST_THREADS = 2
"""The experiments' networks are small: a third thread waits more than it works."""
EXAMPLES = """
\b
Examples:
  steadygrad lab
  steadygrad lab hard-cases --out hard/
  steadygrad lab signal --std 0.05 --activation tanh --depth 6
  steadygrad lab --all --quick --out gallery/

`steadygrad lab NAME --help` shows the options of one experiment. Exit status 1: a verdict does not
hold. Torch computes with at most 2 threads; OMP_NUM_THREADS chooses another number.
"""


def _experiments() -> dict[str, Experiment]:
    from steadygrad.lab import EXPERIMENTS

    return {experiment.name: experiment for experiment in EXPERIMENTS}


class LabCommand(click.Command):
    """Takes the options of the experiment that is named, besides its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Look which experiment is meant before the options are read."""
        if args and not args[0].startswith("-"):
            choose("experiment", args[0], _experiments())
        if any(not word.startswith("-") for word in args):
            table = _experiments()
            named = [table[word] for word in dict.fromkeys(args) if word in table]
            if len(named) == 1:
                ctx.obj = named[0]
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own, and those of the experiment."""
        own = super().get_params(ctx)
        if ctx.obj is None:
            return own
        return [*own, *(_click_option(option) for option in ctx.obj.options)]


def _click_option(option: Option) -> click.Option:
    default = (
        ",".join(map(str, option.default))
        if isinstance(option.default, tuple)
        else (option.default)
    )
    return click.Option(
        [f"--{option.name.replace('_', '-')}", f"own_{option.name}"],
        type=click.Choice(option.choices) if option.choices else option.kind,
        help=f"{option.help} (default {default})",
    )


@click.command("lab", cls=LabCommand, epilog=EXAMPLES)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "every", is_flag=True, help="Run all experiments.")
@click.option("--quick", is_flag=True, help="Smaller numbers: seconds instead of minutes.")
@click.option("--seed", type=int, help="Seed of all that is drawn at random (default 0).")
@click.option("--out", metavar="FOLDER", help="Write the figures and a page, index.html, there.")
@click.option("--quiet", is_flag=True, help="No progress, only the result.")
@json_option
def command(names: tuple[str, ...], every: bool, **options: Any) -> int:
    """Run the classic experiments about training ConvNets; without a name, list them."""
    table = _experiments()
    chosen = list(table.values()) if every else [choose("experiment", n, table) for n in names]
    if every and names:
        raise InputError("Both --all and a name were given; expected one of the two.")
    if not chosen:
        return _list(list(table.values()), options["json_path"])
    given = {name[4:]: value for name, value in options.items() if name.startswith("own_")}
    given = {name: value for name, value in given.items() if value is not None}
    if options["seed"] is not None:
        given["seed"] = options["seed"]
    return _run(chosen, given, options)


def _use_threads() -> None:
    if not os.environ.get("OMP_NUM_THREADS"):  # torch itself reads it where it is set
        import torch

        from steadygrad.machine import choose_threads

        torch.set_num_threads(min(MOST_THREADS, choose_threads()))


def _list(experiments: list[Experiment], json_path: str | None) -> int:
    from steadygrad.lab.text import listing

    if json_path != "-":
        click.echo(listing(experiments))
    rows = [{"name": e.name, "title": e.title, "claim": e.claim} for e in experiments]
    print_json(json_path, rows)
    return 0


def _run(chosen: list[Experiment], given: dict[str, Any], options: dict[str, Any]) -> int:
    from steadygrad.lab.framework import run_experiment
    from steadygrad.lab.gallery import Gallery
    from steadygrad.lab.text import described, verdict_line

    out = options["out"]
    if out and os.path.exists(out) and not os.path.isdir(out):
        raise InputError(f"--out '{out}' is a file; expected a folder.")
    _use_threads()
    gallery = Gallery(out) if out else None
    rows: list[dict[str, Any]] = []
    failed: list[str] = []
    with Progress(quiet=options["quiet"]) as progress:
        progress.stage("experiments", len(chosen))
        for index, experiment in enumerate(chosen):
            progress.advance(index, len(chosen), experiment.name)
            finished = run_experiment(experiment, given, quick=options["quick"])
            rows.append(finished.to_dict())
            failed += [f"{experiment.name}: {verdict_line(v)}" for v in finished.failed]
            if gallery is not None:
                gallery.add(finished)
            if options["json_path"] != "-":
                click.echo(described(finished) + "\n")
    held = sum(len(row["verdicts"]) for row in rows) - len(failed)
    print_json(options["json_path"], {"experiments": rows, "failed": failed})
    if gallery is not None:
        click.echo(f"Wrote {gallery.page}", err=True)
    for line in failed:
        click.echo(f"Does not hold: {line}", err=True)
    click.echo(f"{held} of {held + len(failed)} verdicts hold.", err=True)
    return 1 if failed else 0
