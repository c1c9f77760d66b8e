"""`steadygrad lab [NAME…]`."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import click

from steadygrad.cli.options import json_option, print_json
from steadygrad.cli.progress import Progress, show_seconds
from steadygrad.errors import InputError, SteadygradError, choose

if TYPE_CHECKING:
    from steadygrad.lab.framework import Broken, Experiment, Finished, Option
    from steadygrad.lab.gallery import Gallery

MOST_THREADS = 2
"""The experiments' networks are small: a third thread waits more than it works."""
INTERRUPTED = 130
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
    if name not in table and len(begun) > 1:
        raise InputError(f"'{name}' is the beginning of several: {', '.join(begun)}.")
    return choose("experiment", begun[0] if len(begun) == 1 else name, table)


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
        [option.flag, f"own_{option.name}"],
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
    given = {name[4:]: value for name, value in options.items() if name.startswith("own_")}
    given = {name: value for name, value in given.items() if value is not None}
    if options["seed"] is not None:
        given["seed"] = options["seed"]
    if not chosen:
        if given or options["out"] or options["quick"] or options["resume"]:
            raise InputError("No experiment was named; expected a name, several, or --all.")
        return _list(list(table.values()), options["json_path"])
    if options["resume"] and not options["out"]:
        raise InputError("--resume was given without --out; expected the folder to go on in.")
    return _Session(chosen, given, options).run()


def _use_threads() -> None:
    if not os.environ.get("OMP_NUM_THREADS"):  # torch itself reads it where it is set
        import torch

        from steadygrad.machine import choose_threads

        torch.set_num_threads(min(MOST_THREADS, choose_threads()))


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
    rows = [{"name": e.name, "title": e.title, "claim": e.claim} for e in experiments]
    print_json(json_path, rows)
    return 0


class _Session:
    """The experiments of one command: run in turn, each told and kept as soon as it is done."""

    def __init__(
        self, chosen: list[Experiment], given: dict[str, Any], options: dict[str, Any]
    ) -> None:
        from steadygrad.lab.framework import values_for
        from steadygrad.lab.gallery import Gallery

        self.chosen, self.given, self.options = chosen, given, options
        self.values = [values_for(each, given, quick=options["quick"]) for each in chosen]
        out = options["out"]
        self.gallery: Gallery | None = Gallery(out, chosen) if out else None
        self.rows: list[dict[str, Any]] = []
        self.spent = self.foreseen = 0.0

    def run(self) -> int:
        """Run what is to be run; the exit status."""
        _use_threads()
        interrupted = False
        with Progress(quiet=self.options["quiet"]) as progress:
            try:
                for place, experiment in enumerate(self.chosen):
                    self._one(place, experiment, progress)
            except KeyboardInterrupt:
                interrupted = True
        return self._close(interrupted)

    def _one(self, place: int, experiment: Experiment, progress: Progress) -> None:
        from steadygrad.lab.framework import attempt

        kept = self._kept(place)
        if kept is not None:
            progress.say(f"{experiment.name}: kept from before")
            self.rows.append(kept)
            return
        self._announce(place, progress)
        begun = time.monotonic()
        run = attempt(experiment, self.given, quick=self.options["quick"])
        self.spent += time.monotonic() - begun
        self.foreseen += self._usual(place)
        self._keep(run)

    def _kept(self, place: int) -> dict[str, Any] | None:
        if self.gallery is None or not self.options["resume"]:
            return None
        return self.gallery.earlier(self.chosen[place], self.values[place])

    def _usual(self, place: int) -> float:
        from steadygrad.lab import usual_seconds

        return usual_seconds(self.chosen[place].name, quick=self.options["quick"])

    def _announce(self, place: int, progress: Progress) -> None:
        # This machine against the one the usual times were taken on.
        speed = self.spent / self.foreseen if self.foreseen else 1.0
        left = [
            self._usual(later) * speed
            for later in range(place, len(self.chosen))
            if later == place or self._kept(later) is None
        ]
        line = self.chosen[place].name
        if left[0]:
            line += f": usually {show_seconds(left[0])}"
        if len(self.chosen) > 1:
            line = f"{place + 1} of {len(self.chosen)}, {line}"
            line += f", about {show_seconds(sum(left))} to the end" if len(left) > 1 else ""
        progress.stage(line)
        if not progress.console.is_terminal:
            progress.say(line)

    def _keep(self, run: Finished | Broken) -> None:
        from steadygrad.lab.framework import Broken
        from steadygrad.lab.text import described

        alone = len(self.chosen) == 1
        if alone and isinstance(run, Broken) and isinstance(run.cause, SteadygradError):
            raise run.cause
        self.rows.append(run.to_dict())
        if self.gallery is not None:
            self.gallery.add(run)
        if self.options["json_path"] != "-":
            click.echo(described(run) + "\n")

    def _close(self, interrupted: bool) -> int:
        failed = [line for row in self.rows for line in _failures(row)]
        result: dict[str, Any] = {"experiments": self.rows, "failed": failed}
        if interrupted:
            result["interrupted"] = self.chosen[len(self.rows)].name
        print_json(self.options["json_path"], result)
        verdicts = [verdict for row in self.rows for verdict in row["verdicts"]]
        held = sum(bool(verdict["holds"]) for verdict in verdicts)
        for line in failed:
            click.echo(line, err=True)
        if self.gallery is not None:
            click.echo(f"Wrote {self.gallery.page}", err=True)
        click.echo(f"{held} of {len(verdicts)} verdicts hold.", err=True)
        if interrupted:
            again = "; the same command with --resume goes on" if self.gallery else ""
            click.echo(
                f"Interrupted in {result['interrupted']}, after {len(self.rows)} of "
                f"{len(self.chosen)} experiments{again}.",
                err=True,
            )
            return INTERRUPTED
        return 1 if failed else 0


def _failures(row: dict[str, Any]) -> list[str]:
    from steadygrad.lab.text import verdict_line
    from steadygrad.lab.verdicts import Verdict

    if row.get("error"):
        return [f"Failed: {row['name']}: {row['error']}"]
    verdicts = [Verdict(**verdict) for verdict in row["verdicts"]]
    return [
        f"Does not hold: {row['name']}: {verdict_line(verdict)}"
        for verdict in verdicts
        if not verdict.holds
    ]
