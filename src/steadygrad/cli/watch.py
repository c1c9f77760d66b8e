"""`steadygrad watch SCRIPT [ARGS]`."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Any

import click

from steadygrad.cli.options import print_json, writable_place
from steadygrad.errors import InputError, choose

EXAMPLES = """
\b
Examples:
  steadygrad watch train.py --lr 0.1
  steadygrad watch -m package.train --epochs 3
  steadygrad watch --fail-on error --stop-after 200 --json found.json train.py
  steadygrad watch --report report.html --ignore not-shuffled train.py

Options come before SCRIPT; everything behind it is the script's. The script runs as under plain
python and ends with its own exit status: 3 where --fail-on found something.
"""


class WatchCommand(click.Command):
    """Leaves alone what stands behind SCRIPT, or behind `-m MODULE`, as python does."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Split the line where the script's own words begin."""
        return super().parse_args(ctx, self._parted(args))

    def _parted(self, args: list[str]) -> list[str]:
        takes_value = {
            name: isinstance(option, click.Option) and not option.is_flag
            for option in self.params
            for name in option.opts
        }
        index = 0
        while index < len(args) and args[index].startswith("-") and args[index] != "--":
            word = args[index]
            if word == "-m":
                return [*args[: index + 2], "--", *args[index + 2 :]]
            if word.startswith("-m"):
                return [*args[: index + 1], "--", *args[index + 1 :]]
            index += 2 if takes_value.get(word, False) else 1
        return args


def _rule_names(_ctx: click.Context, _option: click.Parameter, text: str | None) -> tuple[str, ...]:
    from steadygrad import rules

    names = tuple(name.strip() for name in (text or "").split(",") if name.strip())
    for name in names:
        choose("rule", name, {row["name"]: row for row in rules.catalogue()})
    return names


@click.command(
    "watch",
    cls=WatchCommand,
    epilog=EXAMPLES,
    context_settings={"allow_interspersed_args": False},
    options_metavar="[OPTIONS]",
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="SCRIPT [ARGS]...")
@click.option("-m", "module", metavar="MODULE", help="Run a module, as `python -m` does.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "note", "never"]),
    default="never",
    show_default=True,
    help="Stop the script at the first such finding, and exit 3.",
)
@click.option(
    "--stop-after",
    type=click.IntRange(min=1),
    default=None,
    metavar="N",
    help="Stop the script after N updates of the weights.",
)
@click.option("--ignore", callback=_rule_names, metavar="RULE,…", help="Rules to leave out.")
@click.option(
    "--period",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Watch every Nth step besides the first ones (default: as often as costs little).",
)
@click.option(
    "--report", callback=writable_place, metavar="FILE", help="Write a report to look at (HTML)."
)
@click.option("--out", metavar="FOLDER", help="Write what was measured there (record.jsonl).")
@click.option("--quiet", is_flag=True, help="Say nothing on standard error.")
@click.option(
    "--json",
    "json_path",
    metavar="FILE",
    callback=writable_place,
    help="Write the findings as JSON (-: to stdout, one line behind the script's own output).",
)
def command(words: tuple[str, ...], module: str | None, **options: Any) -> Any:
    """Run a training script unchanged and say what is wrong with it, with file and line."""
    if module is None and not words:
        raise click.UsageError("Name a script: steadygrad watch train.py, or: watch -m MODULE.")
    from steadygrad.watch import program
    from steadygrad.watch.reporting import write_report
    from steadygrad.watch.run import Outcome, Run

    if module is None:
        chosen = program.script(words[0], words[1:])
    else:
        chosen = program.module(module, words)
    # Absolute from here on: the script may go elsewhere.
    json_path = options["json_path"]
    if json_path and json_path != "-":
        json_path = os.path.abspath(json_path)
    report = options["report"] and os.path.abspath(options["report"])
    stdout = sys.stdout

    def publish(outcome: Outcome) -> None:
        if json_path == "-":
            _print_line(stdout, outcome.to_dict())
        else:
            print_json(json_path, outcome.to_dict())
        if report:
            write_report(report, outcome.session, outcome.script, chosen.command)

    return Run(chosen, _watch_options(options), publish, options["quiet"], _is_other_rank()).run()


def _watch_options(options: dict[str, Any]) -> Any:
    from steadygrad.watch.session import Options

    folder = options["out"]
    if folder and os.path.exists(folder) and not os.path.isdir(folder):
        raise InputError(f"--out '{folder}' is a file; expected a folder.")
    return Options(
        ignore=options["ignore"],
        fail_on=options["fail_on"],
        stop_after=options["stop_after"] or 0,
        period=options["period"],
        folder=os.path.abspath(folder) if folder else "",
    )


def _is_other_rank() -> bool:
    """Whether torchrun or its like started this process beside the one that speaks."""
    return os.environ.get("RANK", "0").strip() not in ("", "0")


def _print_line(stream: Any, value: dict[str, Any]) -> None:
    from steadygrad.record.store import strict_json

    if stream is None:
        return
    # ASCII, in one line: readable in any encoding, and the last line of whatever the script wrote.
    with suppress(OSError, ValueError):
        stream.write(json.dumps(json.loads(strict_json(value))) + "\n")
        stream.flush()
