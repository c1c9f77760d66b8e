"""One worker's turns at the trials of a shared study.

A paused trial is WAITING in it, so that taking one up (WAITING → RUNNING) is Optuna's own
compare-and-set: one worker gets it. Whatever is made twice by two workers at once says so by its
`only`, and the later one does not count. Optuna's dashboard shows the study as any other.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from steadygrad.search.shared import ONLY, STATES, SharedStudy, doubles, read_trial
from steadygrad.search.space import Space, Value
from steadygrad.search.tried import WAITING, Tried
from steadygrad.search.workers import (
    BEAT_SECONDS,
    Heart,
    Taken,
    Watchers,
    own_token,
)

TURNS = itertools.count()
"""Tells a search from an earlier one of the same process, which may have been interrupted."""
SPARE = "another worker was faster"


class Study(SharedStudy):
    """One search in its storage, as one worker sees it."""

    def __init__(
        self,
        place: str,
        name: str,
        *,
        watchers: Watchers | None = None,
        beat_seconds: float = BEAT_SECONDS,
    ) -> None:
        super().__init__(place, name)
        self._token = f"{own_token()}|{next(TURNS)}"
        self._watchers = watchers or Watchers()
        self._beat_seconds = beat_seconds
        self._beats = itertools.count()
        """Never begins anew: a worker's second turn at a trial is not taken for its first."""

    def claim(self, trial: Tried, target: int, stage: str) -> bool:
        """Take a waiting trial up; False where somebody else was faster."""
        with self._lock, suppress(Taken):
            if self._set(trial.number, TrialState.RUNNING):
                mine = {"owner": self._token, "beat": next(self._beats)}
                self.note(trial.number, **mine, target=target, stage=stage)
                return True
        return False

    def start(
        self, params: Mapping[str, Value], space: Space, attrs: dict[str, Any], *, only: str
    ) -> Tried | None:
        """A new trial that this worker runs now.

        `only` says what it is: None where another worker has just made the same.
        """
        mine = {**attrs, ONLY: only, "owner": self._token, "beat": next(self._beats)}
        return self._kept(self._create(TrialState.RUNNING, params, space, mine))

    def pick_up(self) -> Tried | None:
        """Go on with the trial of a worker that died, as a new trial with all that is known.

        The old one is failed first: finished trials can't be written to, which keeps a worker off
        that was only suspended. Whoever died between the two steps is stood in for as well.
        """
        asked = time.monotonic()
        everyone = self._frozen()
        self._watchers.forget_before(self._storage.away_at)
        spare = doubles(everyone)
        continued = {trial.user_attrs.get("continues") for trial in everyone}
        for frozen in everyone:
            is_lost = frozen.state == TrialState.FAIL
            if not is_lost and self._is_abandoned(frozen, asked):
                with self._lock, suppress(Taken):
                    is_lost = self._set(frozen.number, TrialState.FAIL)
            if is_lost and frozen.number not in spare | continued:
                return self._succeed(frozen.number)
        return None

    def _is_abandoned(self, frozen: FrozenTrial, asked: float) -> bool:
        token = str(frozen.user_attrs.get("owner", ""))
        if frozen.state != TrialState.RUNNING or token == self._token:
            return False
        return self._watchers.is_stale(frozen.number, token, frozen.user_attrs.get("beat"), asked)

    def _succeed(self, number: int) -> Tried | None:
        frozen = self._frozen()[number]  # as it was when it could not be written to any more
        attrs = {**frozen.user_attrs, "continues": number, ONLY: f"continues {number}"}
        attrs |= {"owner": self._token, "beat": next(self._beats)}
        template = create_trial(
            state=TrialState.RUNNING,
            params=frozen.params,
            distributions=frozen.distributions,
            user_attrs=attrs,
            intermediate_values=frozen.intermediate_values,
        )
        return self._kept(self._number_of(self._storage.create_new_trial(self._id, template)))

    def _kept(self, number: int) -> Tried | None:
        """A trial just made, withdrawn (None) where another worker's is the same."""
        everyone = self._frozen()
        attrs = everyone[number].user_attrs
        first = next(t for t in everyone if t.user_attrs.get(ONLY) == attrs[ONLY])
        if first.number != number:
            self.note(number, reason=SPARE)
            self._set(number, TrialState.FAIL)
        same = (first.user_attrs["owner"], first.user_attrs["beat"]) == (self._token, attrs["beat"])
        return read_trial(first) if same else None  # same: asked twice, the first reply was lost

    def report(self, number: int, part: int, value: float, loss: float, age: float = 0.0) -> None:
        """A part is done and scored, `age` seconds after the search began."""
        trial_id = self._id_of(number)
        times = self.known(number).get("times", {})
        with kept_from_others():
            self._storage.set_trial_intermediate_value(trial_id, part, value)
        self.note(number, loss=loss, times={**times, str(part): round(age, 3)})

    def note(self, number: int, **attrs: Any) -> None:
        """Write down what else is known of a trial; what is new of it, each being a disk's wait."""
        trial_id, known = self._id_of(number), self.known(number)
        with kept_from_others():
            for name, value in attrs.items():
                if known.get(name) != value and (name in known or value):
                    self._storage.set_trial_user_attr(trial_id, name, value)

    def leave(self, number: int, state: str, value: float | None) -> None:
        """This worker's turn at a trial is over: paused, done or ended."""
        if state == WAITING:  # a dead owner's name on it would have it taken from the next one
            self.note(number, owner="", beat=next(self._beats))
        wanted = next(theirs for theirs, ours in STATES.items() if ours == state)
        self._set(number, wanted, [value] if value is not None and state != WAITING else None)

    def _set(self, number: int, state: TrialState, values: list[float] | None = None) -> bool:
        with kept_from_others():
            return self._storage.set_trial_state_values(self._id_of(number), state, values)

    def heart(self, number: int) -> Heart:
        """Shows the others that this worker lives, while entered."""
        return Heart(lambda: self.note(number, beat=next(self._beats)), self._beat_seconds)

    def folder(self, root: Path, trial: Tried) -> Path:
        """Where a trial's checkpoint lies; a successor takes its predecessor's away.

        It must not stay: a worker that was only suspended would go on writing there.
        """
        everyone = self._frozen()
        own, before = root / f"trial-{trial.number}", trial.number
        while not own.exists():
            before = everyone[before].user_attrs.get("continues")
            if before is None:
                break
            with suppress(OSError):
                (root / f"trial-{before}").rename(own)
        return own


@contextmanager
def kept_from_others() -> Iterator[None]:
    """Raises Taken for what is written to a trial that was taken away."""
    try:
        yield
    except optuna.exceptions.UpdateFinishedTrialError as error:
        raise Taken from error
