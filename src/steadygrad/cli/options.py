"""Options shared by commands: every Recipe field as an option, durations, --json."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from steadygrad.errors import InputError
from steadygrad.record import Recipe, write_json
from steadygrad.record.choices import CHOICES
from steadygrad.record.recipe import spelled
from steadygrad.record.store import strict_json
from steadygrad.report.markup import visible

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(click.ParamType):
    """Seconds, written as 90, 90s, 5m, 1.5h or 1h30m."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Seconds, or a usage error that shows the accepted forms."""
        if isinstance(value, int | float):
            return float(value)
        parts = re.findall(r"(\d+(?:\.\d+)?)([smh]?)", value)
        if not parts or "".join(number + unit for number, unit in parts) != value:
            self.fail(f"'{value}' is no duration; write 90s, 5m or 1h30m.", param, ctx)
        return sum(float(number) * UNITS.get(unit, 1.0) for number, unit in parts)


def recipe_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add one option per Recipe field; what the user typed arrives as keyword arguments."""
    for field in reversed(dataclasses.fields(Recipe)):
        kind = Duration() if field.name == "budget_seconds" else type(field.default)
        text = field.metadata["help"]
        if field.default not in (0, -1, "", "auto"):
            text += f" (default {field.default})"
        if field.name in CHOICES:
            text += ": " + ", ".join(name for name in CHOICES[field.name])
        option = click.option(
            f"--{spelled(field.name)}", field.name, type=kind, default=None, help=text
        )
        function = option(function)
    return function


class RecipeCommand(click.Command):
    """A command whose help lists the recipe's options in their groups, behind its own."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Own options first, then a section per group of Recipe fields."""
        groups: dict[str, list[tuple[str, str]]] = {"Options": []}
        for field in dataclasses.fields(Recipe):
            groups.setdefault(f"Recipe: {field.metadata['group']}", [])
        of_field = {field.name: field.metadata["group"] for field in dataclasses.fields(Recipe)}
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Argument):
                continue
            row = parameter.get_help_record(ctx)
            group = of_field.get(parameter.name or "")
            if row is not None:
                groups[f"Recipe: {group}" if group else "Options"].append(row)
        for title, rows in groups.items():
            with formatter.section(title):
                formatter.write_dl(rows)


def typed_recipe(values: dict[str, Any]) -> dict[str, Any]:
    """The Recipe fields the user typed, taken out of a command's keyword arguments."""
    fields = {field.name for field in dataclasses.fields(Recipe)}
    return {name: value for name, value in values.items() if name in fields and value is not None}


def one_line(text: str) -> str:
    """Text with names of files or classes in it, as one line that steers no terminal.

    >>> one_line("cat\\nhead.jpg")
    'cat\ufffdhead.jpg'
    """
    return visible(text).replace("\n", "\ufffd").replace("\t", " ")


def writable_place(ctx: click.Context, parameter: click.Parameter, path: str | None) -> str | None:  # noqa: ARG001
    """Refuse a place for a file before the work is done, not after."""
    option = parameter.opts[0]
    if path is None or path == "-":
        return path
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise InputError(f"{option} '{path}' is a folder; expected the name of a file, or -.")
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise InputError(f"{option} '{path}' can't be written: no folder '{folder}' to write in.")
    return path


json_option = click.option(
    "--json",
    "json_path",
    metavar="FILE",
    callback=writable_place,
    help="Also write the result as JSON (- for stdout, instead of the text).",
)


def print_json(path: str | None, value: Any) -> None:
    """Write `value` to the file the user named with --json; "-" is standard output."""
    if path == "-":
        click.echo(strict_json(value))
    elif path:
        try:
            if os.path.exists(path) and not os.path.isfile(path):  # a pipe, or /dev/stderr
                Path(path).write_text(strict_json(value) + "\n", encoding="utf-8")
            else:
                write_json(os.path.realpath(path), value)
        except OSError as error:
            raise InputError(f"--json '{path}' can't be written: {error.strerror}.") from None
