"""The experiments of one `steadygrad lab`: run in turn, each told and kept once it is done."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from steadygrad.cli.options import print_json
from steadygrad.cli.progress import Progress, show_seconds
from steadygrad.errors import SteadygradError

if TYPE_CHECKING:
    from steadygrad.lab.framework import Broken, Experiment, Finished
    from steadygrad.lab.gallery import Gallery

MOST_THREADS = 2
"""The experiments' networks are small: a third thread waits more than it works."""
INTERRUPTED = 130
TRUSTED = 20.0
"""Seconds that must have run before the measured speed counts as much as the usual one."""


def _use_threads() -> None:
    if not os.environ.get("OMP_NUM_THREADS"):  # torch itself reads it where it is set
        import torch

        from steadygrad.machine import choose_threads

        torch.set_num_threads(min(MOST_THREADS, choose_threads()))


class Session:
    """The experiments of one command: run in turn, each told and kept as soon as it is done."""

    def __init__(
        self,
        chosen: list[Experiment],
        given: dict[str, Any],
        options: dict[str, Any],
        order: Iterable[str],
    ) -> None:
        from steadygrad.lab.framework import values_for
        from steadygrad.lab.gallery import Gallery

        self.chosen, self.given, self.options = chosen, given, options
        self.values = [values_for(each, given, quick=options["quick"]) for each in chosen]
        out = options["out"]
        self.gallery: Gallery | None = Gallery(out, chosen, order) if out else None
        self.rows: list[dict[str, Any]] = []
        self.spent = self.foreseen = 0.0

    def run(self) -> int:
        """Run what is to be run; the exit status."""
        _use_threads()
        interrupted = False
        with Progress(quiet=self.options["quiet"]) as progress:
            try:
                for place, experiment in enumerate(self.chosen):
                    self._one(place, experiment, progress)
            except KeyboardInterrupt:
                interrupted = True
        return self._close(interrupted)

    def _one(self, place: int, experiment: Experiment, progress: Progress) -> None:
        from steadygrad.lab.framework import attempt

        kept = self._kept(place)
        if kept is not None:
            progress.say(f"{experiment.name}: kept from before")
            self.rows.append(kept)
            return
        self._announce(place, progress)
        begun = time.monotonic()
        run = attempt(experiment, self.given, quick=self.options["quick"])
        self.spent += time.monotonic() - begun
        self.foreseen += self._usual(place)
        self._keep(run)

    def _kept(self, place: int) -> dict[str, Any] | None:
        if self.gallery is None or not self.options["resume"]:
            return None
        return self.gallery.earlier(self.chosen[place], self.values[place])

    def _usual(self, place: int) -> float:
        from steadygrad.lab import usual_seconds

        return usual_seconds(self.chosen[place].name, quick=self.options["quick"])

    def _announce(self, place: int, progress: Progress) -> None:
        # This machine, now, against the usual one; a short experiment alone says little of it.
        speed = (self.spent + TRUSTED) / (self.foreseen + TRUSTED)
        left = [
            self._usual(later) * speed
            for later in range(place, len(self.chosen))
            if later == place or self._kept(later) is None
        ]
        line = self.chosen[place].name
        if left[0]:
            line += f": about {show_seconds(left[0])}"
        if len(self.chosen) > 1:
            line = f"{place + 1} of {len(self.chosen)}, {line}"
            line += f", {show_seconds(sum(left))} to the end of all" if all(left) else ""
        progress.stage(line)
        if not progress.console.is_terminal:
            progress.say(line)

    def _keep(self, run: Finished | Broken) -> None:
        from steadygrad.lab.framework import Broken
        from steadygrad.lab.text import described

        alone = len(self.chosen) == 1
        if alone and isinstance(run, Broken) and isinstance(run.cause, SteadygradError):
            raise run.cause
        if self.gallery is not None:
            self.gallery.add(run)
        self.rows.append(run.to_dict())  # after the page: Ctrl-C in between leaves neither
        if self.options["json_path"] != "-":
            click.echo(described(run) + "\n")

    def _close(self, interrupted: bool) -> int:
        failed = [line for row in self.rows for line in _failures(row)]
        result: dict[str, Any] = {"experiments": self.rows, "failed": failed}
        if interrupted:
            result["interrupted"] = self.chosen[len(self.rows)].name
        print_json(self.options["json_path"], result)
        verdicts = [verdict for row in self.rows for verdict in row["verdicts"]]
        held = sum(bool(verdict["holds"]) for verdict in verdicts)
        for line in failed:
            click.echo(line, err=True)
        if self.gallery is not None:
            click.echo(f"Wrote {self.gallery.page}", err=True)
        click.echo(f"{held} of {len(verdicts)} verdicts hold.", err=True)
        if interrupted:
            again = "; the same command with --resume goes on" if self.gallery else ""
            click.echo(
                f"Interrupted in {result['interrupted']}, after {len(self.rows)} of "
                f"{len(self.chosen)} experiments{again}.",
                err=True,
            )
            return INTERRUPTED
        return 1 if failed else 0


def _failures(row: dict[str, Any]) -> list[str]:
    from steadygrad.lab.text import verdict_line
    from steadygrad.lab.verdicts import Verdict

    if row.get("error"):
        return [f"Failed: {row['name']}: {row['error']}"]
    verdicts = [Verdict(**verdict) for verdict in row["verdicts"]]
    return [
        f"Does not hold: {row['name']}: {verdict_line(verdict)}"
        for verdict in verdicts
        if not verdict.holds
    ]
