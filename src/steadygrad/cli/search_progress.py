"""What a person sees of a search: a panel that moves on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Any

from steadygrad.cli.progress import Progress, show_seconds
from steadygrad.report.words import percent

STATES = {
    "running": "running",
    "to come": "to come",
    "waiting": "paused",
    "done": "full length",
    "ended": "ended",
}
"""A trial's states in the order they are told, as people call them."""
BAR_CELLS = 30
REFRESH_PER_SECOND = 4


class SearchProgress(Progress):
    """Shows a search, and then the winner's run as any run is shown.

    Each trial that is left is a line where there is no terminal; on one it is a line if it is the
    best so far, was ended, or a range changed. `begun`, `looked`, `left` and `decided` are called
    by the search.
    """

    def __init__(self, seconds: float, began: float, *, quiet: bool = False) -> None:
        super().__init__(quiet=quiet)
        self._seconds, self._began_at = seconds, began
        self._live: Any = None
        self._running = ""
        self._stage_now = ""
        self._last = ""
        self._best = ""
        self._counts = ""
        self._full = 1

    def stage(self, name: str, total: int = 0) -> None:
        """A stage before or after the search itself."""
        self._stop_live()
        super().stage(name, total)

    def begun(self, trial: Any, target: int, stage: str) -> None:
        """A trial begins or goes on."""
        self._stage_now = stage
        self._full = max(self._full, target)
        goes_on = f" from part {trial.parts}" if trial.parts else ""
        self._running = f"trial {trial.number}{goes_on}, to part {target}"
        self._start_live()

    def looked(self, trial: Any, part: int, value: float) -> None:
        """The running trial was scored."""
        self._running = (
            f"trial {trial.number}, part {part} of {max(trial.target, part)}: "
            f"validation error {percent(value)}"
        )

    def left(self, trial: Any, tried: list[Any], parts_left: float) -> None:  # noqa: ARG002
        """A trial was paused, finished or ended."""
        self._counts = counts_text(tried)
        news = self._find_best(tried)
        self._last = left_text(trial)
        self._running = ""
        ended = trial.state == "ended"
        if self._live is None or news or ended:
            left = show_seconds(max(0.0, self._seconds_left()))
            best = f"; {self._best}" if self._best else ""
            self.say(f"{trial.stage}: {self._last}{best}; {self._counts}; {left} left")

    def decided(self, text: str) -> None:
        """A range was widened, or not, and why."""
        self.say(text)

    def _find_best(self, tried: list[Any]) -> bool:
        """Note the best of the longest trials; whether it is another than before."""
        scored = [t for t in tried if t.value is not None and not t.diverged and t.repeats is None]
        longest = max((trial.parts for trial in scored), default=0)
        if not scored or not longest:
            return False
        best = min((t for t in scored if t.parts == longest), key=lambda trial: trial.rank)
        share = "" if best.state == "done" else f" after part {best.parts}"
        before, self._best = self._best, f"best {percent(best.value)}{share} (trial {best.number})"
        return before != self._best

    def _seconds_left(self) -> float:
        return self._seconds - (time.time() - self._began_at)

    def _start_live(self) -> None:
        if self._live is not None or self.quiet or not self.console.is_terminal:
            return
        from rich.live import Live

        self._stop_bar()
        self._live = Live(
            get_renderable=self._panel,
            console=self.console,
            refresh_per_second=REFRESH_PER_SECOND,
            transient=True,
        )
        self._live.start()

    def _panel(self) -> Any:
        from rich.text import Text

        left = self._seconds_left()
        done = min(max(1.0 - left / self._seconds, 0.0), 1.0)
        full = round(done * BAR_CELLS)
        lines = [
            f"{self._stage_now:<9} {'━' * full}{'╌' * (BAR_CELLS - full)} "
            f"{show_seconds(max(left, 0.0))} left, the winner's run included",
            f"  {self._best or 'nothing scored yet'}",
            f"  {self._counts}" if self._counts else "",
            f"  now: {self._running}" if self._running else "  now: choosing what comes next",
            f"  before: {self._last}" if self._last else "",
        ]
        return Text("\n".join(line for line in lines if line), overflow="ellipsis", no_wrap=True)

    def _stop_live(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _stop_bar(self) -> None:
        self._stop_live()
        super()._stop_bar()


def counts_text(tried: list[Any]) -> str:
    """How many trials there are, by state; those of workers that died are gone on with as others.

    >>> from steadygrad.search.tried import DONE, Tried
    >>> counts_text([Tried(0, {}, DONE), Tried(1, {}), Tried(2, {}, curve={1: 0.5})])
    '3 trials: 1 to come, 1 paused, 1 full length'
    """
    alive = [trial for trial in tried if trial.state != "lost"]
    states = [t.state if t.curve or t.state != "waiting" else "to come" for t in alive]
    listed = [f"{states.count(state)} {name}" for state, name in STATES.items() if state in states]
    return f"{len(alive)} trials: {', '.join(listed)}"


def left_text(trial: Any) -> str:
    """A trial that was left, and why.

    >>> from steadygrad.search.tried import Tried
    >>> left_text(Tried(4, {}, curve={9: 0.125}))
    'trial 4 paused after part 9, validation error 12.5 %'
    """
    how = {"waiting": "paused", "done": "done", "ended": "ended"}.get(trial.state, trial.state)
    value = f", validation error {percent(trial.value)}" if trial.value is not None else ""
    at = f" after part {trial.parts}" if trial.parts and trial.state != "done" else ""
    reason = f": {trial.reason}" if trial.reason else ""
    return f"trial {trial.number} {how}{at}{value}{reason}"
