"""The `steadygrad` command: one file per sub-command; errors become one clear sentence here."""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import click

import steadygrad
from steadygrad.errors import SteadygradError, nearest
from steadygrad.report.markup import visible

COMMANDS = {
    "train": "Train a classifier on labelled pictures.",
    "search": "Find a recipe by itself, coarse to fine, and train it.",
    "check": "Go through the checklist before training: data, loss, signals, rate.",
    "watch": "Run your own training script and say what is wrong with it.",
    "audit": "List what is wrong with a set of pictures.",
    "evaluate": "Score a trained model on labelled pictures.",
    "predict": "Classify pictures with a trained model.",
    "export": "Write a run's model.onnx again, and prove it.",
    "report": "Write a run's report.html again.",
    "lab": "Run the classic experiments about training ConvNets.",
    "init": "Measure the signal through a network, under any initialisation.",
    "graph": "Draw a computational graph with its values and gradients.",
    "rules": "The faults Steadygrad knows by name.",
}
"""Name → one line for `--help`. A command lives in the module of its name, loaded when used."""

INTERRUPTED = 130
OUT_OF_MEMORY = (
    "Out of memory; what was saved before is intact. Try a smaller --batch-size, --image-size or "
    "--width."
)
# How torch, onnxruntime and the C++ library word it; torch is not imported to ask for its type.
MEMORY_PHRASES = ("not enough memory", "can't allocate memory", "out of memory", "bad_alloc")


class Commands(click.Group):
    """Loads a command's module only when it is asked for: `--help` stays instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All names, in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        return importlib.import_module(f"steadygrad.cli.{cmd_name}").command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest name for a mistyped command."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            guess = nearest(args[0], COMMANDS)
            hint = f" Did you mean '{guess}'?" if guess else ""
            ctx.fail(f"There is no command '{args[0]}'.{hint} Known: {', '.join(COMMANDS)}.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with:  steadygrad train digits   ·   steadygrad train photos/",
)
@click.version_option(steadygrad.__version__, prog_name="steadygrad")
def group() -> None:
    """Train ConvNets that learn the first time, and know why when one doesn't."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends the process with its exit status.

    0 fine, 1 the work failed, 2 the arguments or the data can't be used, 3 findings at or above
    --fail-on.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] != ["watch"]:  # somebody else's script runs there: the process stays as it was
        _prepare_process()
    try:
        status = group.main(given, prog_name="steadygrad", standalone_mode=False)
    except click.exceptions.Abort:
        status = INTERRUPTED
    except click.ClickException as error:
        error.show()
        status = 2
    except SteadygradError as error:
        status = _complain(str(error), error.exit_status)
    except KeyboardInterrupt:
        status = _complain("Interrupted.", INTERRUPTED)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        status = _complain(OUT_OF_MEMORY, 1)
    except OSError as error:
        status = _complain(_describe(error), 1)
    sys.exit(status if isinstance(status, int) else 0)


def _prepare_process() -> None:
    # Read by the OpenMP runtime when torch is loaded. Threads that spin while they wait cost a busy
    # machine most of its time, an idle one's save next to none.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files may be no text at all
            stream.reconfigure(errors="backslashreplace")


def _complain(message: str, status: int) -> int:
    with suppress(OSError):  # nobody may be listening any more
        click.echo(f"steadygrad: {visible(message)}", err=True)
    return status


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: MemoryError, torch's or onnxruntime's.

    >>> out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: ..."))
    True
    >>> out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    False
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return any(phrase in str(error).lower() for phrase in MEMORY_PHRASES)


def _describe(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"The disk is full{where}. Free some space; what was saved before is intact."
    if error.errno == errno.EPIPE:
        return "The reader of the output went away."
    return f"{error.strerror or error}{where}."
