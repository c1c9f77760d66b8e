"""Do something right after a module was imported for the first time, whoever imports it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from typing import Any


class AfterImport(MetaPathFinder):
    """Calls `then` once `name` is imported; at once where it is already."""

    def __init__(self, name: str, then: Callable[[], None]) -> None:
        self.name = name
        self._then = then
        self._searching = False

    def install(self) -> None:
        """Begin to wait for the import."""
        if self.name in sys.modules:
            self._then()
        else:
            sys.meta_path.insert(0, self)

    def uninstall(self) -> None:
        """Wait no longer."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:  # noqa: ARG002
        """The module's spec as Python finds it, its loader made to tell us."""
        if fullname != self.name or self._searching or self.name in sys.modules:
            return None
        self._searching = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._searching = False
        if spec is not None and spec.loader is not None:
            self._wrap(spec.loader)
        return spec

    def _wrap(self, loader: Any) -> None:
        # On the instance, and gone when it was used: `module.__loader__` stays what it is.
        load = loader.exec_module

        def exec_module(module: Any) -> None:
            vars(loader).pop("exec_module", None)
            load(module)
            self.uninstall()
            self._then()

        loader.exec_module = exec_module
