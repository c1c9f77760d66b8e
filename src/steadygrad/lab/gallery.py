"""The gallery: a folder with index.html, the figures, and each experiment's numbers as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from steadygrad import __version__
from steadygrad.errors import InputError
from steadygrad.lab.drawing import DPI
from steadygrad.lab.framework import Broken, Experiment, Finished, plain
from steadygrad.lab.gallery_page import FIGURES, figure_path, render
from steadygrad.lab.verdicts import show
from steadygrad.record.store import write_json, write_text

RESULTS = "results"
MARK = '<meta name="generator" content="Steadygrad lab">'
"""What tells a page of ours from somebody else's index.html."""
MAX_SVG_BYTES = 4 << 20
"""Beyond that a browser is slow with it, and the PNG shows all there is to see."""


class Gallery:
    """Takes experiments as they finish; the page is whole after each.

    What an earlier run left in the folder stays on the page until it is run again. `expected` are
    the experiments to come: the page names those that are still missing. `order` are the names of
    all there are, as the page is to have them (else: the expected ones, then the others).
    """

    def __init__(
        self,
        folder: str | Path,
        expected: Iterable[Experiment] = (),
        order: Iterable[str] = (),
    ) -> None:
        self.folder = Path(folder)
        self._expected = list(expected)
        self._order = list(order) or [experiment.name for experiment in self._expected]
        self._entries: dict[str, dict[str, Any]] = {}
        try:
            for inner in (FIGURES, RESULTS):
                (self.folder / inner).mkdir(parents=True, exist_ok=True)
            self._refuse_strangers()
            self._entries = self._earlier()
            self._write()
        except OSError as error:
            raise InputError(
                f"--out '{folder}' can't be written: {error.strerror}. Expected a folder that is "
                "new, empty or a gallery."
            ) from None

    @property
    def page(self) -> Path:
        """Where the page lies."""
        return self.folder / "index.html"

    def earlier(self, experiment: Experiment, values: dict[str, Any]) -> dict[str, Any] | None:
        """What the folder holds of this experiment, run to its end with the same values."""
        entry = self._entries.get(experiment.name)
        same = entry is not None and entry.get("values") == _spelled(plain(values))
        return entry if same and entry is not None and not entry.get("error") else None

    def add(self, run: Finished | Broken) -> None:
        """Save the figures and the numbers, and write the page anew."""
        name = run.experiment.name
        for figure in self._entries.get(name, {}).get("figures", []):
            for kind in ("png", "svg"):  # of an earlier run, which may have had other figures
                (self.folder / figure_path(figure, kind)).unlink(missing_ok=True)
        figures = run.result.figures if isinstance(run, Finished) else {}
        entry = _spelled(run.to_dict())
        entry["figures"] = [self._save(name, key, figure) for key, figure in figures.items()]
        entry["made by"] = f"Steadygrad {__version__}, torch {torch.__version__}"
        self._entries[name] = entry
        write_json(self.folder / RESULTS / f"{name}.json", entry)
        self._write()

    def _save(self, name: str, key: str, figure: Any) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "file": Path(f"{name}-{key}").name,
            "caption": str(figure.get_label() or key),
            "size": [round(side * DPI) for side in figure.get_size_inches()],
            "kinds": ["png", "svg"],
        }
        png, svg = (self.folder / figure_path(entry, kind) for kind in entry["kinds"])
        # The layout is made for the ticks the axes had before it; a taller one may have wider ones.
        figure.draw_without_rendering()
        figure.savefig(png, dpi=DPI, metadata={"Software": "Steadygrad"})
        figure.savefig(svg, metadata={"Date": None})
        if svg.stat().st_size > MAX_SVG_BYTES:
            svg.unlink()
            entry["kinds"] = ["png"]
        return entry

    def _write(self) -> None:
        others = (name for name in sorted(self._entries) if name not in self._order)
        names = [*self._order, *others]
        entries = [self._entries[name] for name in names if name in self._entries]
        missing = [each.about() for each in self._expected if each.name not in self._entries]
        style = _asset("steadygrad.report", "page.css") + _asset("steadygrad.lab", "gallery.css")
        write_text(self.page, render(entries, missing, style, MARK))

    def _refuse_strangers(self) -> None:
        if self.page.is_dir() or (
            self.page.exists() and MARK not in self.page.read_text("utf-8", errors="replace")
        ):
            raise InputError(
                f"--out '{self.folder}' holds an index.html that is no gallery of the lab, which "
                "would be lost. Expected a folder that is new, empty or a gallery."
            )

    def _earlier(self) -> dict[str, dict[str, Any]]:
        entries: dict[str, dict[str, Any]] = {}
        for path in (self.folder / RESULTS).glob("*.json"):
            try:
                entry = json.loads(path.read_text("utf-8"))
                render([entry], [], "", MARK)  # what can't be shown is as good as missing
            except (ValueError, TypeError, LookupError, AttributeError):
                continue
            entries[str(entry["name"])] = entry
        return entries


def _spelled(value: Any) -> Any:
    # JSON has no NaN: the word stands for it.
    if isinstance(value, dict):
        return {key: _spelled(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return show(value)
    return value


def _asset(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")
