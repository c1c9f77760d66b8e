"""`steadygrad export RUN`."""

from __future__ import annotations

import click

from steadygrad.cli.options import json_option, print_json
from steadygrad.cli.progress import Progress
from steadygrad.report.markup import visible

EXAMPLES = """
\b
Examples:
  steadygrad export runs/photos-1
"""


@click.command("export", epilog=EXAMPLES)
@click.argument("run")
@json_option
def command(run: str, json_path: str | None) -> int:
    """Write RUN's model.onnx again and prove it on real files."""
    from steadygrad import fit

    with Progress() as progress:
        parity = fit.export_again(run, show=progress)
    if json_path != "-":
        difference = parity["max_abs_probability_difference"]
        click.echo(
            f"{visible(run)}/model.onnx: the same answer as in training on "
            f"{parity['num_files']} pictures; probabilities within {difference:.1e}."
        )
    print_json(json_path, parity)
    return 0
