"""`steadygrad predict MODEL FILES…`."""

from __future__ import annotations

import dataclasses

import click

from steadygrad.cli.options import json_option, one_line, print_json
from steadygrad.errors import InputError

EXAMPLES = """
\b
Examples:
  steadygrad predict runs/photos-1 holiday.jpg
  steadygrad predict runs/photos-1/model.onnx new/ --top-k 3 --json answers.json
"""


@click.command("predict", epilog=EXAMPLES)
@click.argument("model")
@click.argument("files", nargs=-1, required=True)
@click.option("--top-k", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--threads", default=0, help="Compute threads (0: the runtime's choice).")
@json_option
def command(
    model: str, files: tuple[str, ...], top_k: int, threads: int, json_path: str | None
) -> int:
    """Classify pictures (files or folders) with a trained model; needs no torch."""
    from steadygrad.predict import Predictor

    predictor = Predictor(model, threads=threads)
    answers = []
    broken = 0
    for prediction in predictor.classify(files, top_k=top_k):
        answers.append(dataclasses.asdict(prediction))
        if prediction.error:
            broken += 1
            click.echo(one_line(f"{prediction.path}: {prediction.error}"), err=True)
        elif json_path != "-":
            guesses = "  ".join(
                f"{name} {probability:.1%}"
                for name, probability in zip(prediction.classes, prediction.probabilities)
            )
            click.echo(one_line(f"{prediction.path}: {guesses}"))
    if not answers:
        raise InputError(f"There is no picture in {', '.join(map(repr, files))}.")
    print_json(json_path, {"model": model, "predictions": answers})
    if broken == len(answers):
        raise InputError("None of the files could be read as a picture.")
    return 1 if broken else 0
