"""One worker's turns at the trials of a shared study.

A paused trial is WAITING in it, so that taking one up (WAITING → RUNNING) is Optuna's own
compare-and-set: one worker gets it. Whatever is created twice by two workers at once is noticed by
the later of them, which withdraws its copy. Optuna's dashboard shows the study as any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from steadygrad.search.shared import STATES, SharedStudy, read_trial
from steadygrad.search.space import Space, Value
from steadygrad.search.tried import WAITING, Tried
from steadygrad.search.workers import GRACE_SECONDS, Heart, Watchers, own_token


class Study(SharedStudy):
    """One search in its storage, as one worker sees it."""

    def __init__(self, place: str, name: str, *, grace_seconds: float = GRACE_SECONDS) -> None:
        super().__init__(place, name)
        self._token = own_token()
        self._watchers = Watchers(grace_seconds)

    def claim(self, trial: Tried, target: int, stage: str) -> bool:
        """Take a waiting trial up; False where somebody else was faster."""
        frozen = self._frozen()[trial.number]
        with self._lock, suppress(optuna.exceptions.UpdateFinishedTrialError):
            if self._storage.set_trial_state_values(frozen._trial_id, TrialState.RUNNING):
                self.note(trial.number, owner=self._token, beat=0, target=target, stage=stage)
                return True
        return False

    def start(
        self, params: Mapping[str, Value], space: Space, attrs: dict[str, Any], *, same: str = ""
    ) -> Tried | None:
        """A new trial that this worker runs now.

        `same` names the attribute that no two trials may share; None where another has it already.
        """
        mine = {**attrs, "owner": self._token, "beat": 0}
        number = self._create(TrialState.RUNNING, params, space, mine)
        frozen = self._frozen()
        if same and any(trial.user_attrs.get(same) == attrs[same] for trial in frozen[:number]):
            self.note(number, reason="another worker was faster", **{same: None})
            self._storage.set_trial_state_values(frozen[number]._trial_id, TrialState.FAIL)
            return None
        return read_trial(frozen[number])

    def pick_up(self) -> Tried | None:
        """Go on with the trial of a worker that died, as a new trial with all that is known."""
        for frozen in self._frozen():
            attrs = frozen.user_attrs
            beat, token = attrs.get("beat"), str(attrs.get("owner", ""))
            if frozen.state != TrialState.RUNNING or token == self._token:
                continue
            if not self._watchers.is_stale(frozen.number, token, beat):
                continue
            with self._lock, suppress(optuna.exceptions.UpdateFinishedTrialError):
                self._storage.set_trial_state_values(frozen._trial_id, TrialState.FAIL)
                return self._succeed(frozen)
        return None

    def _succeed(self, frozen: FrozenTrial) -> Tried | None:
        attrs = {**frozen.user_attrs, "continues": frozen.number}
        attrs.setdefault("folder", frozen.number)
        attrs |= {"owner": self._token, "beat": 0}
        template = create_trial(
            state=TrialState.RUNNING,
            params=frozen.params,
            distributions=frozen.distributions,
            user_attrs=attrs,
            intermediate_values=frozen.intermediate_values,
        )
        self._storage.create_new_trial(self._id, template)
        everyone = self._frozen()
        same = [t for t in everyone if t.user_attrs.get("continues") == frozen.number]
        mine = next(t for t in reversed(same) if t.user_attrs["owner"] == self._token)
        if same[0].number != mine.number:
            self._storage.set_trial_state_values(mine._trial_id, TrialState.FAIL)
            return None
        return read_trial(mine)

    def report(self, number: int, part: int, value: float, loss: float, age: float = 0.0) -> None:
        """A part is done and scored, `age` seconds after the search began."""
        frozen = self._frozen()[number]
        self._storage.set_trial_intermediate_value(frozen._trial_id, part, value)
        self._storage.set_trial_user_attr(frozen._trial_id, "loss", loss)
        times = {**frozen.user_attrs.get("times", {}), str(part): round(age, 3)}
        self._storage.set_trial_user_attr(frozen._trial_id, "times", times)

    def note(self, number: int, **attrs: Any) -> None:
        """Write down what else is known of a trial."""
        trial_id = self._frozen()[number]._trial_id
        for name, value in attrs.items():
            self._storage.set_trial_user_attr(trial_id, name, value)

    def leave(self, number: int, state: str, value: float | None) -> None:
        """This worker's turn at a trial is over: paused, done or ended."""
        trial_id = self._frozen()[number]._trial_id
        wanted = next(theirs for theirs, ours in STATES.items() if ours == state)
        values = [value] if value is not None and state != WAITING else None
        self._storage.set_trial_state_values(trial_id, wanted, values)

    def heart(self, number: int) -> Heart:
        """Shows the others that this worker lives, while entered."""
        trial_id = self._frozen()[number]._trial_id

        def beat(count: int) -> None:
            self._storage.set_trial_user_attr(trial_id, "beat", count)

        return Heart(beat)

    def folder(self, root: Path, trial: Tried) -> Path:
        """Where a trial's checkpoint lies: a successor goes on in the folder of the first."""
        attrs = self._frozen()[trial.number].user_attrs
        return root / f"trial-{attrs.get('folder', trial.number)}"
