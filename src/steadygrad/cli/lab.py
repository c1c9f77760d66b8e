"""`steadygrad lab [NAME…]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from steadygrad.cli.lab_session import Session
from steadygrad.cli.options import json_option, print_json
from steadygrad.cli.progress import show_seconds
from steadygrad.errors import InputError, nearest

if TYPE_CHECKING:
    from steadygrad.lab.framework import Experiment, Option

OWN = "own_"
"""How click's names of an experiment's options begin, so that none is one of the command's."""
EXAMPLES = """
\b
Examples:
  steadygrad lab
  steadygrad lab hard-cases --out hard/
  steadygrad lab signal --std 0.05 --activation tanh --depth 6
  steadygrad lab --all --quick --out gallery/

The beginning of a name is enough where only one begins so. `steadygrad lab NAME --help` shows the
options of one experiment. Exit status 1: a verdict does not hold, or an experiment failed. Torch
computes with at most 2 threads; OMP_NUM_THREADS chooses another number.
"""


def _experiments() -> dict[str, Experiment]:
    from steadygrad.lab import EXPERIMENTS

    return {experiment.name: experiment for experiment in EXPERIMENTS}


def _find(name: str, table: dict[str, Experiment]) -> Experiment:
    begun = [known for known in table if name and known.startswith(name)]
    if name in table or len(begun) == 1:
        return table[name if name in table else begun[0]]
    if begun:
        raise InputError(f"'{name}' is the beginning of several: {', '.join(begun)}.")
    words = {word: known for known in table for word in known.split("-")}
    guess = nearest(name, [*table, *words])  # "sigal" is near to a word of a name, not to the name
    hint = f" Did you mean '{words.get(guess, guess)}'?" if guess else ""
    raise InputError(f"There is no experiment '{name}'.{hint} Known: {', '.join(table)}.")


class LabCommand(click.Command):
    """Takes the options of the experiment that is named, besides its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Look which experiment is meant before the options are read."""
        named = {each.name: each for each in (_find(w, _experiments()) for w in self._words(args))}
        if len(named) == 1:
            (ctx.obj,) = named.values()
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            owners = [
                each.name
                for each in (_experiments().values() if ctx.obj is None else ())
                if error.option_name in {option.flag for option in each.options}
            ]
            if not owners:
                raise
            raise InputError(
                f"{error.option_name} is an option of one experiment ({', '.join(owners)}); "
                "expected that name alone beside it."
            ) from None

    def _words(self, args: list[str]) -> list[str]:
        # What stands alone and is no value of the option before it: names of experiments.
        flags = {"-h", "--help"}
        for option in self.params:
            if isinstance(option, click.Option) and option.is_flag:
                flags.update(option.opts)
        words: list[str] = []
        follows = False
        for word in args:
            if word.startswith("-") and not follows:
                follows = "=" not in word and word not in flags
            else:
                words += [] if follows else [word]
                follows = False
        return words

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What the command does; below it, what the experiment that is named claims."""
        super().format_help_text(ctx, formatter)
        if ctx.obj is not None:
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(f"{ctx.obj.name}: {ctx.obj.claim}")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's own options, and below them the experiment's."""
        records: dict[bool, list[tuple[str, str]]] = {False: [], True: []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                records[str(parameter.name).startswith(OWN)].append(record)
        for is_own, rows in records.items():
            if rows:
                title = f"Options of {ctx.obj.name}" if is_own else "Options"
                with formatter.section(title):
                    formatter.write_dl(rows)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own, and those of the experiment."""
        own = super().get_params(ctx)
        if ctx.obj is None:
            return own
        return [*own, *(_click_option(option) for option in ctx.obj.options)]


def _click_option(option: Option) -> click.Option:
    from steadygrad.lab.framework import as_typed

    usual = f"default {as_typed(option.default)}" if option.default != () else ""
    quick = f"quick {as_typed(option.quick)}" if option.quick is not None else ""
    both = ", ".join(part for part in (usual, quick) if part)
    return click.Option(
        [option.flag, f"{OWN}{option.name}"],
        type=click.Choice(option.choices) if option.choices else option.kind,
        metavar=None if option.choices or option.kind in (int, float) else "A,B,…",
        help=f"{option.help} ({both})" if both else option.help,
    )


@click.command("lab", cls=LabCommand, epilog=EXAMPLES)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "every", is_flag=True, help="Run all experiments.")
@click.option("--quick", is_flag=True, help="Smaller numbers: seconds instead of minutes.")
@click.option("--seed", type=int, help="Seed of all that is drawn at random (default 0).")
@click.option("--out", metavar="FOLDER", help="Write the figures and a page, index.html, there.")
@click.option("--resume", is_flag=True, help="Leave out what --out FOLDER holds already.")
@click.option("--quiet", is_flag=True, help="No progress, only the result.")
@json_option
def command(names: tuple[str, ...], every: bool, **options: Any) -> int:
    """Run the classic experiments about training ConvNets; without a name, list them."""
    table = _experiments()
    found = {name: _find(name, table) for name in names}
    chosen = list(table.values() if every else dict.fromkeys(found.values()))
    if every and names:
        raise InputError("Both --all and a name were given; expected one of the two.")
    given = {name[len(OWN) :]: value for name, value in options.items() if name.startswith(OWN)}
    given = {name: value for name, value in given.items() if value is not None}
    if options["seed"] is not None:
        given["seed"] = options["seed"]
    if not chosen:
        if given or options["out"] or options["quick"] or options["resume"]:
            raise InputError("No experiment was named; expected a name, several, or --all.")
        return _list(list(table.values()), options["json_path"])
    if options["resume"] and not options["out"]:
        raise InputError("--resume was given without --out; expected the folder to go on in.")
    return Session(chosen, given, options, table).run()


def _list(experiments: list[Experiment], json_path: str | None) -> int:
    from steadygrad.lab import usual_seconds
    from steadygrad.lab.text import listing

    times = {
        e.name: [usual_seconds(e.name, quick=quick) for quick in (False, True)] for e in experiments
    }
    told = {
        name: f"({show_seconds(slow)}; --quick {show_seconds(fast)})"
        for name, (slow, fast) in times.items()
        if slow and fast
    }
    if json_path != "-":
        click.echo(listing(experiments, told))
        full, quick = (sum(column) for column in zip(*times.values()))
        click.echo(
            f"\nAll of them on one core: about {show_seconds(full)}; --quick {show_seconds(quick)}."
        )
    rows = [{"name": e.name, "title": e.title, "claim": e.claim} for e in experiments]
    print_json(json_path, rows)
    return 0
