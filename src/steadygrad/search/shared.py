"""The study in its storage as all workers share it: begun once, joined by the rest."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from steadygrad import __version__
from steadygrad.errors import InputError
from steadygrad.search.space import Parameter, Space, Value
from steadygrad.search.stages import Plan
from steadygrad.search.storage import is_shared, open_storage
from steadygrad.search.tried import DONE, ENDED, LOST, RUNNING, WAITING, Tried

STATES = {
    TrialState.WAITING: WAITING,
    TrialState.RUNNING: RUNNING,
    TrialState.COMPLETE: DONE,
    TrialState.PRUNED: ENDED,
    TrialState.FAIL: LOST,
}
READY_SECONDS = 20.0
"""Whoever begins a study has written its first trials by then; else the next one fills in."""
WAIT_SECONDS = 0.2
ONLY = "only"
"""The attribute that no two trials share: what a trial is, be it made by two workers at once."""
VERSION = "steadygrad"
NAMES = {"data": "the pictures' fingerprint", VERSION: "Steadygrad's version"}
"""What a study is of, where the attribute's name does not say it."""


LOCAL = ("threads", "device")
"""What each machine may choose for itself: no reason to refuse a recipe."""


class SharedStudy:
    """What all workers read, and write once."""

    def __init__(self, place: str, name: str) -> None:
        self._storage, self._lock = open_storage(place)
        self.name = name
        self._id = -1
        self._ids: dict[int, int] = {}

    def enter(self) -> bool:
        """Make the study bare, or join it; whether it was made."""
        try:
            directions = [optuna.study.StudyDirection.MINIMIZE]
            self._id = self._storage.create_new_study(directions, self.name)
            return True
        except optuna.exceptions.DuplicatedStudyError:
            self._id = self._storage.get_study_id_from_name(self.name)
            return False

    def known(self, number: int) -> dict[str, Any]:
        """All that is written down of a trial."""
        return self._storage.get_trial(self._id_of(number)).user_attrs

    def begin(
        self, plan: Plan, space: Space, points: list[dict[str, Value]], about: dict[str, Any]
    ) -> tuple[Plan, Space]:
        """Make the study, or join it where it is; the plan and the space it was begun with.

        `about` (the data, the recipe, the space asked for) must be the same for all; else an
        InputError.
        """
        with self._lock:
            is_begun = not self.enter() and self._is_begun()
            if not is_begun:
                self._write("about", {**about, VERSION: __version__})
                self._write("space", space.to_list())
                self._write("points", points)
                self._write("plan", plan.to_dict())
                self._fill_in(plan, space, points)
        joined = self.join(about)
        assert joined is not None
        return joined

    def join(self, about: dict[str, Any]) -> tuple[Plan, Space] | None:
        """Join the study that is there; None: there is none, or it was not begun to its end."""
        try:
            self._id = self._storage.get_study_id_from_name(self.name)
        except KeyError:
            return None
        if not self._is_begun():
            if not set(self._attrs()) - {"about", "space", "points"} and not self._frozen():
                return None
            raise InputError(
                f"The study '{self.name}' is no search of Steadygrad. Give another --out or "
                "--storage."
            )
        attrs = self._attrs()
        if apart := differences(attrs["about"], {**about, VERSION: __version__}):
            raise InputError(
                f"The study '{self.name}' was begun with other settings: {'; '.join(apart)}. "
                "Repeat its command, or begin another study with another --out or --storage."
            )
        plan, space = Plan.from_dict(attrs["plan"]), Space.from_list(attrs["space"])
        deadline = _deadline(self._lock)
        while not self._attrs().get("ready"):
            if time.monotonic() > deadline:  # whoever began it died meanwhile
                with self._lock:
                    self._fill_in(plan, space, attrs["points"])
            time.sleep(WAIT_SECONDS)
        return plan, space

    def _is_begun(self) -> bool:
        """Whether the study has its plan; where somebody may be about to write it, wait."""
        deadline = _deadline(self._lock)
        while True:
            with self._lock:  # held by whoever begins it in a file
                if "plan" in self._attrs():
                    return True
            if time.monotonic() > deadline:
                return False
            time.sleep(WAIT_SECONDS)

    def _fill_in(self, plan: Plan, space: Space, points: list[dict[str, Value]]) -> None:
        for index in range(len(self._frozen()), len(points)):
            attrs = {"stage": "coarse", "target": plan.rungs[0], "seed": plan.seed}
            attrs[ONLY] = f"start {index}"
            self._create(TrialState.WAITING, points[index], space, attrs)
        self._write("ready", True)

    def ranges(self, space: Space) -> Space:
        """The space with the ranges widened so far."""
        for row in self._attrs().get("widened", []):
            space = space.replaced(Space.from_list([row]).parameters[0])
        return space

    def widen(self, parameter: Parameter, text: str) -> None:
        """Write down that a range is wider from now on, and why."""
        with self._lock:
            attrs = self._attrs()
            rows = [row for row in attrs.get("widened", []) if row["name"] != parameter.name]
            self._write("widened", [*rows, *Space((parameter,)).to_list()])
            told = attrs.get("told", [])
            if text not in told:
                self._write("told", [*told, text])

    def told(self) -> list[str]:
        """What was decided about the ranges, in order."""
        return list(self._attrs().get("told", []))

    @property
    def age(self) -> float:
        """Seconds of work the study has behind it, as its workers last wrote down."""
        return float(self._attrs().get("age", 0.0))

    def grow(self, age: float) -> None:
        """Write the study's age down."""
        self._write("age", max(age, self.age))

    def trials(self) -> list[Tried]:
        """All trials so far; of what two workers made at once, the second counts as lost."""
        return read_trials(self._frozen())

    def _create(
        self, state: TrialState, params: Mapping[str, Value], space: Space, attrs: dict[str, Any]
    ) -> int:
        template = create_trial(
            state=state,
            params=dict(params),
            distributions=space.distributions(params),
            user_attrs=attrs,
        )
        return self._number_of(self._storage.create_new_trial(self._id, template))

    def _number_of(self, trial_id: int) -> int:
        return self._storage.get_trial(trial_id).number

    def _frozen(self) -> list[FrozenTrial]:
        return self._storage.get_all_trials(self._id, deepcopy=False)

    def _id_of(self, number: int) -> int:
        """The storage's own number of a trial; it never changes."""
        if number not in self._ids:
            self._ids |= {trial.number: trial._trial_id for trial in self._frozen()}
        return self._ids[number]

    def _attrs(self) -> dict[str, Any]:
        return self._storage.get_study_user_attrs(self._id)

    def _write(self, name: str, value: Any) -> None:
        self._storage.set_study_user_attr(self._id, name, value)


def read_study(study: SharedStudy) -> tuple[Plan, Space] | None:
    """The plan and the space of the study that is there, to look at only; None: there is none.

    Whoever only draws it need not ask for the same as those who began it.
    """
    try:
        study._id = study._storage.get_study_id_from_name(study.name)
    except KeyError:
        return None
    attrs = study._attrs()
    if "plan" not in attrs:
        return None
    return Plan.from_dict(attrs["plan"]), Space.from_list(attrs["space"])


ATTRIBUTES: tuple[str, ...] = (
    "stage", "target", "reason", "diverged", "flat", "loss", "seed", "repeats", "seconds",
    "first_loss",
)  # fmt: skip


def _deadline(lock: AbstractContextManager[Any]) -> float:
    """Until when somebody else may be about to write: in a file the lock says so."""
    return time.monotonic() + (READY_SECONDS if is_shared(lock) else 0.0)


def doubles(everyone: list[FrozenTrial]) -> set[int]:
    """Numbers of the trials that another one came before with the same `only`."""
    seen: set[str] = set()
    found: set[int] = set()
    for trial in everyone:
        key = trial.user_attrs.get(ONLY)
        if key in seen:
            found.add(trial.number)
        elif key:
            seen.add(key)
    return found


def differences(there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    """What two workers of one study don't agree on, in words.

    >>> differences({"space": "lr=1..2", "data": "a"}, {"space": "lr=1..2", "data": "b"})
    ["the pictures' fingerprint is 'a' there, 'b' here"]
    """
    here = json.loads(json.dumps(here))
    told: list[str] = []
    for what in here:
        left, right = there.get(what), here[what]
        if isinstance(left, dict) and isinstance(right, dict):
            names = [n for n in {**left, **right} if n not in LOCAL]
            told += [
                f"{what} {name} is {left.get(name)!r} there, {right.get(name)!r} here"
                for name in names
                if left.get(name) != right.get(name)
            ]
        elif left != right:
            told.append(f"{NAMES.get(what, what)} is {left!r} there, {right!r} here")
    return told


def read_trials(everyone: list[FrozenTrial]) -> list[Tried]:
    """Optuna's trials as the stages see them."""
    spare = doubles(everyone)
    tried = [read_trial(trial) for trial in everyone]
    return [replace(t, state=LOST) if t.number in spare else t for t in tried]


def read_trial(frozen: FrozenTrial) -> Tried:
    """Optuna's trial as the stages see it."""
    known = {name: frozen.user_attrs[name] for name in ATTRIBUTES if name in frozen.user_attrs}
    curve = dict(sorted(frozen.intermediate_values.items()))
    known["times"] = {int(part): age for part, age in frozen.user_attrs.get("times", {}).items()}
    return Tried(frozen.number, dict(frozen.params), STATES[frozen.state], curve, **known)
