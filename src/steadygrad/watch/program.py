"""Somebody's program, run as plain `python` runs it: same `__main__`, arguments and path."""

from __future__ import annotations

import builtins
import importlib.util
import io
import os
import sys
import types
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from typing import Any

from steadygrad.errors import InputError


class NotRunnable(InputError):
    """There is nothing to run under that name."""


@dataclass
class Program:
    """A script, a folder with a `__main__.py`, or a module, and its arguments."""

    name: str
    """As the user gave it."""
    arguments: list[str]
    path: str = ""
    """The script's file or folder; empty for a module."""

    @property
    def command(self) -> str:
        """What runs it without Steadygrad, behind `python`."""
        words = [self.path or "-m", *([] if self.path else [self.name]), *self.arguments]
        return " ".join(words)


def script(path: str, arguments: Sequence[str]) -> Program:
    """`python PATH ARGUMENTS`; a path that can't be run is an InputError."""
    if os.path.isdir(path):
        if not PathFinder.find_spec("__main__", [path]):
            raise InputError(f"The folder '{path}' has no __main__.py to run; name a script in it.")
    elif not os.path.isfile(path):
        hint = f" For a module write: watch -m {path}" if _is_module(path) else ""
        raise InputError(f"There is no script '{path}'; expected a Python file.{hint}")
    elif not os.access(path, os.R_OK):
        raise InputError(f"The script '{path}' can't be read; check its permissions.")
    return Program(path, list(arguments), path)


def _is_module(name: str) -> bool:
    return all(part.isidentifier() for part in name.split(".")) and not name.endswith(".py")


def module(name: str, arguments: Sequence[str]) -> Program:
    """`python -m NAME ARGUMENTS`."""
    return Program(name, list(arguments))


def execute(program: Program) -> None:
    """Run the program to its end in this process; whatever it raises comes out.

    `sys.argv`, `sys.path[0]` and `sys.modules["__main__"]` are the program's from here on, until
    the process ends: its exit handlers and child processes need them too.
    """
    main = types.ModuleType("__main__")
    if "__annotations__" in vars(sys.modules["__main__"]):  # not there from Python 3.14 on
        main.__annotations__ = {}
    vars(main)["__builtins__"] = builtins
    # The first entry is the folder of whatever started us, unless Python was told to leave it out.
    keep = 0 if sys.flags.safe_path else 1
    if program.path:
        code = _prepare_script(program, main, keep)
    else:
        code = _prepare_module(program, main, keep)
    _call_main(code, main)


def _prepare_script(program: Program, main: types.ModuleType, keep: int) -> Any:
    sys.argv[:] = [program.path, *program.arguments]
    path = os.path.abspath(program.path)
    if os.path.isdir(path):
        sys.path[:keep] = [path]
        sys.modules["__main__"] = main
        return _from_spec(main, PathFinder.find_spec("__main__", [path]))
    if keep:
        sys.path[:keep] = [os.path.dirname(os.path.realpath(path))]
    loader = SourceFileLoader("__main__", path)
    main.__file__, main.__loader__, main.__spec__ = path, loader, None
    vars(main)["__cached__"] = None
    sys.modules["__main__"] = main
    with io.open_code(path) as file:
        return compile(file.read(), path, "exec", dont_inherit=True)


def _prepare_module(program: Program, main: types.ModuleType, keep: int) -> Any:
    sys.argv[:] = ["-m", *program.arguments]
    if keep:
        sys.path[:keep] = [os.getcwd()]
    spec = _find(program.name)
    if spec.submodule_search_locations is not None:
        spec = _find(f"{program.name}.__main__")
    sys.argv[0] = spec.origin or program.name
    sys.modules["__main__"] = main
    return _from_spec(main, spec)


def _find(name: str) -> ModuleSpec:
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        # A parent that is missing; one that fails inside is the user's own error.
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        spec = None
    except ValueError:
        spec = None
    if spec is None:
        package = name.removesuffix(".__main__")
        if package != name:
            raise NotRunnable(f"The package '{package}' has no __main__.py; name a module in it.")
        raise NotRunnable(
            f"There is no module '{name}'; expected one that `python -m {name}` would run from "
            "this folder."
        )
    return spec


def _from_spec(main: types.ModuleType, spec: ModuleSpec | None) -> Any:
    loader: Any = spec.loader if spec else None
    if spec is None or not hasattr(loader, "get_code"):
        raise NotRunnable(f"The module '{spec and spec.name}' has no Python code to run.")
    main.__file__, main.__loader__, main.__spec__ = spec.origin, loader, spec
    main.__package__ = spec.parent
    vars(main)["__cached__"] = spec.cached
    return loader.get_code(spec.name)


def _call_main(code: types.CodeType, main: types.ModuleType) -> None:
    exec(code, vars(main))
