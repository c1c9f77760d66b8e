"""`steadygrad init MODEL`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from steadygrad.cli.options import json_option, one_line, print_json
from steadygrad.errors import InputError, SteadygradError, choose
from steadygrad.record import Recipe
from steadygrad.record.choices import CHOICES

SHOWN_OF_AN_ERROR = 200
EXAMPLES = """
\b
Examples:
  steadygrad init vgg --depth 16 --norm none --scheme lsuv --data photos/
  steadygrad init model.py:Net --input 1x3x64x64 --scheme kaiming-normal
  steadygrad init package.models:make_transformer --input 8x16:int
  steadygrad init runs/photos-1 --data photos/ --json signal.json

MODEL is a network by name (as for train --model), your own file.py:Net or module:callable, or a run
folder, whose weights are then what is measured first. Nothing is written but --json.
"""


def _scheme(_ctx: click.Context, _option: click.Parameter, name: str) -> str:
    return choose("initialisation", name, dict.fromkeys(CHOICES["init"], name))


@click.command("init", epilog=EXAMPLES)
@click.argument("model")
@click.option(
    "--scheme",
    callback=_scheme,
    default="auto",
    show_default=True,
    help="What to draw the weights from: " + ", ".join(CHOICES["init"]) + ".",
)
@click.option("--data", metavar="DATA", help="Pictures to measure on (default: noise).")
@click.option("--data-root", metavar="FOLDER", help="Where known data sets lie.")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="SHAPE",
    help="Sizes of a batch, e.g. 1x3x32x32 (a batch of 1 becomes 32); 8x16:int for tokens. Again "
    "for each further argument.",
)
@click.option("--depth", type=int, default=0, help="Of a network by name.")
@click.option("--width", type=int, default=0, help="Of a network by name.")
@click.option("--activation", default="auto", help="Of a network by name.")
@click.option("--norm", default="auto", help="Of a network by name.")
@click.option("--init-std", default=0.01, show_default=True, help="For normal and constant.")
@click.option("--seed", default=0, show_default=True, help="Fixes weights and noise.")
@json_option
def command(model: str, scheme: str, **options: Any) -> int:
    """Measure signal and gradient through a network, as it comes and under a scheme."""
    from steadygrad.images.randomness import generator
    from steadygrad.initializing import examination_text, examine, subject_of
    from steadygrad.initializing.subject import Question

    names = ("depth", "width", "activation", "norm", "init_std", "seed")
    recipe = Recipe(model=model).replace(**{name: options[name] for name in names})
    if not _is_place(model):
        recipe.replace(model="auto" if model.endswith(".py") else model).check()
    else:
        _find_code(model)
    question = Question(recipe, options["data"], options["data_root"], options["inputs"])
    subject = subject_of(question)
    try:
        found = examine(
            subject.network,
            subject.sample,
            scheme,
            std=recipe.init_std,
            generator=generator(recipe.seed, "init"),
            targets=subject.targets,
        )
    except SteadygradError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        raise InputError(_failed(model, subject.words, error)) from error
    loss = "cross entropy" if subject.targets is not None else "a random linear loss"
    if options["json_path"] != "-":
        click.echo(examination_text(found, one_line(f"{model} on {subject.words}, {loss}")))
    values = {"model": model, "input": subject.shape, "batch": subject.words}
    print_json(options["json_path"], {**values, "loss": loss, **found.to_dict()})
    return 0


def _failed(model: str, words: str, error: Exception) -> str:
    text = " ".join(str(error).split())[:SHOWN_OF_AN_ERROR]
    return (
        f"The model '{model}' fails on {words}: {type(error).__name__}: {text}. Give the shape of "
        "a batch it takes with --input, such as 8x3x64x64, or 8x16:int for tokens; once for each "
        "argument."
    )


def _is_place(model: str) -> bool:
    return ":" not in model and (Path(model).is_dir() or model.endswith(".safetensors"))


def _find_code(model: str) -> None:
    """Let a run's network of the user's own be imported from where the run was started."""
    from steadygrad.fit.job import find_code

    place = Path(model)
    file = (place if place.is_dir() else place.parent) / "recipe.json"
    if file.is_file():
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"'{file}' is damaged: {error}.") from None
        find_code(values)
