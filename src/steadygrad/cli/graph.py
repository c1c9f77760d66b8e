"""`steadygrad graph "f = (x + y) * z" x=-2 y=5 z=-4` and `steadygrad graph model.py:Net`."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from steadygrad.cli.options import json_option, print_json, writable_place
from steadygrad.errors import InputError, choose, nearest
from steadygrad.record.store import write_bytes, write_text

if TYPE_CHECKING:
    from steadygrad.report.graph_shapes import Drawing

EXAMPLES = """
\b
Examples:
  steadygrad graph "f = (x + y) * z" x=-2 y=5 z=-4
  steadygrad graph "sigmoid(w @ x + b)" w=[2,-3] x=[-1,-2] b=-3 --out neuron.png
  steadygrad graph model.py:Net --input 8x3x32x32
  steadygrad graph resnet18 --out resnet.svg --depth 2
  steadygrad graph runs/photos-1

An expression is drawn with value and gradient on every edge (graph.svg, or --out FILE.svg|.png). A
network (file.py:callable, module:callable, one of our own by name, a run folder) is drawn from one
forward and backward pass on random input: graph.html with boxes that open, or --out FILE.svg|.png.
"""
NETWORK_KINDS = (".html", ".svg", ".png")
EXPRESSION_KINDS = (".svg", ".png")


@click.command("graph", epilog=EXAMPLES, context_settings={"ignore_unknown_options": False})
@click.argument("target", metavar="EXPRESSION|MODEL")
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="SHAPE",
    help="What a network takes, e.g. 8x3x32x32; 8x16:1000 for whole numbers below 1000. Again for "
    "each further input.",
)
@click.option("--out", callback=writable_place, metavar="FILE", help="Where the drawing goes.")
@click.option(
    "--depth",
    type=click.IntRange(min=1),
    metavar="N",
    help="How deep modules are opened (default: as deep as stays readable).",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of weights and input.")
@json_option
def command(target: str, values: tuple[str, ...], **options: Any) -> int:
    """Draw a computational graph with its values and gradients."""
    from steadygrad.graph.network import is_network

    if not values:
        _no_expression(target)
    wanted = bool(options["inputs"]) or (not values and is_network(target))
    if wanted and values:
        raise InputError(f"'{values[0]}' is for an expression; '{target}' is drawn as a network.")
    draw = _network if wanted else _expression
    text, result, out = draw(target, values, options)
    if options["json_path"] != "-":
        click.echo(text)
        click.echo(f"\nDrawn in {out}")
    print_json(options["json_path"], result)
    return 0


def _no_expression(target: str) -> None:
    """A misspelt name or folder is an expression too, one without values: say what it was."""
    from steadygrad.models import MODELS

    if target not in MODELS and target.isidentifier() and nearest(target, MODELS):
        choose("model", target, MODELS)
    if "/" in target and not set(target) & set(" ()=:") and not Path(target).is_dir():
        raise InputError(
            f"There is no folder '{target}'; an expression needs values for its names, NAME=VALUE."
        )


def _expression(
    target: str, values: tuple[str, ...], options: dict[str, Any]
) -> tuple[str, dict[str, Any], str]:
    from steadygrad.graph.expression import differentiate
    from steadygrad.report import graph_expression

    out = options["out"] or "graph.svg"
    kind = _kind(out, EXPRESSION_KINDS)
    graph = differentiate(target, _values(values))
    _write_drawing(out, kind, graph_expression.drawing(graph), graph.text)
    return graph_expression.text(graph), graph.to_dict(), out


def _network(
    target: str, _values: tuple[str, ...], options: dict[str, Any]
) -> tuple[str, dict[str, Any], str]:
    from steadygrad.graph.network import trace_target
    from steadygrad.report import graph_page, graph_picture, graph_text
    from steadygrad.report.graph_tree import tree

    out, depth = options["out"] or "graph.html", options["depth"]
    kind = _kind(out, NETWORK_KINDS)
    traced = trace_target(target, options["inputs"], options["seed"])
    root = tree(traced.graph, traced.signals, traced.parameters, traced.model)
    notes = [*traced.notes, f"One pass on random input; the loss is made up: {traced.loss}."]
    if kind == ".html":
        _save(out, graph_page.page(root, root.title, notes, depth))
    else:
        _write_drawing(out, kind, graph_picture.drawing(root, depth), root.title)
    result = {
        "model": target,
        "inputs": traced.inputs,
        "loss": traced.loss,
        "notes": traced.notes,
        **graph_text.to_dict(root),
    }
    return "\n".join([graph_text.text(root, depth), *notes]), result, out


def _values(words: tuple[str, ...]) -> dict[str, object]:
    found: dict[str, object] = {}
    for word in words:
        name, value = _value(word)
        if name in found:
            raise InputError(f"'{name}' is given twice; give one value for each name.")
        found[name] = value
    return found


def _value(word: str) -> tuple[str, object]:
    name, equals, text = word.partition("=")
    name = name.strip()
    if not equals or not name.isidentifier():
        raise InputError(f"'{word}' is no value; write NAME=NUMBER or NAME=[1, 2].")
    try:
        return name, ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise InputError(
            f"'{word}': expected a number or a list of numbers, like {name}=2 or {name}=[1, 2]."
        ) from None


def _kind(out: str, known: tuple[str, ...]) -> str:
    kind = Path(out).suffix.lower()
    if kind not in known:
        raise InputError(f"--out '{out}' must end in {' or '.join(known)}.")
    return kind


def _write_drawing(out: str, kind: str, drawing: Drawing, label: str) -> None:
    from steadygrad.report.graph_shapes import svg

    if kind == ".png":
        from steadygrad.graph.png import png

        _save(out, png(drawing))
    else:
        _save(out, svg(drawing, label))


def _save(out: str, content: str | bytes) -> None:
    try:
        if isinstance(content, bytes):
            write_bytes(out, content)
        else:
            write_text(out, content)
    except OSError as error:
        raise InputError(f"--out '{out}' can't be written: {error.strerror}.") from None
