"""The study in its storage as all workers share it: begun once, joined by the rest."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import optuna
from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from steadygrad.errors import InputError
from steadygrad.search.space import Parameter, Space, Value
from steadygrad.search.stages import Plan
from steadygrad.search.tried import DONE, ENDED, LOST, RUNNING, WAITING, Tried

STATES = {
    TrialState.WAITING: WAITING,
    TrialState.RUNNING: RUNNING,
    TrialState.COMPLETE: DONE,
    TrialState.PRUNED: ENDED,
    TrialState.FAIL: LOST,
}
SQLITE_ENDINGS = (".db", ".sqlite", ".sqlite3")
READY_SECONDS = 20.0
"""Whoever begins a study has written its first trials by then; else the next one fills in."""


def open_storage(place: str) -> tuple[BaseStorage, AbstractContextManager[Any]]:
    """A storage, and a lock for what must not be done twice at once.

    A file: SQLite by its ending, else Optuna's journal. A URL: any database Optuna takes, or
    grpc://host:port for its proxy. Databases lock rows by themselves.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        if place.startswith("grpc://"):
            host, _, port = place.removeprefix("grpc://").partition(":")
            return optuna.storages.GrpcStorageProxy(host=host, port=int(port or 13000)), no_lock()
        if "://" in place and not place.startswith("sqlite:"):
            return RDBStorage(place), no_lock()
        path = place.removeprefix("sqlite:///")
        lock = FileLock(f"{path}.claims")
        if place.startswith("sqlite:") or path.endswith(SQLITE_ENDINGS):
            with lock:  # two that make the tables at once get in each other's way
                kept = {"connect_args": {"timeout": 60}}
                return RDBStorage(f"sqlite:///{path}", engine_kwargs=kept), lock
        return JournalStorage(JournalFileBackend(path)), lock
    except Exception as error:
        raise InputError(
            f"--storage '{place}' can't be used: {type(error).__name__}: {error}. Expected a file "
            "(study.journal, study.db) or a database's URL whose driver is installed."
        ) from error


def no_lock() -> AbstractContextManager[Any]:
    """Nothing to hold: the database does it."""
    return nullcontext()


class SharedStudy:
    """What all workers read, and write once."""

    def __init__(self, place: str, name: str) -> None:
        self._storage, self._lock = open_storage(place)
        self.name = name
        self._id = -1

    def begin(
        self, plan: Plan, space: Space, points: list[dict[str, Value]], about: dict[str, Any]
    ) -> tuple[Plan, Space]:
        """Make the study, or join it where it is; the plan and the space it was begun with.

        `about` (the data, the space asked for) must be the same for all; else an InputError.
        """
        with self._lock:
            try:
                directions = [optuna.study.StudyDirection.MINIMIZE]
                self._id = self._storage.create_new_study(directions, self.name)
            except optuna.exceptions.DuplicatedStudyError:
                pass
            else:
                self._write("about", about)
                self._write("space", space.to_list())
                self._write("points", points)
                self._write("plan", plan.to_dict())
                self._fill_in(plan, space, points)
        joined = self.join(about)
        assert joined is not None
        return joined

    def join(self, about: dict[str, Any]) -> tuple[Plan, Space] | None:
        """Join the study that is there; None: there is none."""
        try:
            self._id = self._storage.get_study_id_from_name(self.name)
        except KeyError:
            return None
        deadline = time.monotonic() + READY_SECONDS
        while "plan" not in self._attrs() and time.monotonic() < deadline:
            time.sleep(0.2)
        attrs = self._attrs()
        if "plan" not in attrs:
            raise InputError(
                f"The study '{self.name}' is no search of Steadygrad, or its beginning was cut "
                "off. Give another --out or --storage."
            )
        for what, now in about.items():
            if json.loads(json.dumps(now)) != attrs["about"].get(what):
                raise InputError(
                    f"The study '{self.name}' was begun with another {what}. Repeat its command, "
                    "or begin another study with another --out."
                )
        plan, space = Plan.from_dict(attrs["plan"]), Space.from_list(attrs["space"])
        while not self._attrs().get("ready"):
            if time.monotonic() > deadline:  # whoever began it died meanwhile
                self._fill_in(plan, space, attrs["points"])
            time.sleep(0.2)
        return plan, space

    def _fill_in(self, plan: Plan, space: Space, points: list[dict[str, Value]]) -> None:
        for params in points[len(self._frozen()) :]:
            attrs = {"stage": "coarse", "target": plan.rungs[0], "seed": plan.seed}
            self._create(TrialState.WAITING, params, space, attrs)
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
        """All trials so far."""
        return [read_trial(trial) for trial in self._frozen()]

    def _create(
        self, state: TrialState, params: Mapping[str, Value], space: Space, attrs: dict[str, Any]
    ) -> int:
        template = create_trial(
            state=state,
            params=dict(params),
            distributions=space.distributions(params),
            user_attrs=attrs,
        )
        trial_id = self._storage.create_new_trial(self._id, template)
        return self._storage.get_trial(trial_id).number

    def _frozen(self) -> list[FrozenTrial]:
        return self._storage.get_all_trials(self._id, deepcopy=False)

    def _attrs(self) -> dict[str, Any]:
        return self._storage.get_study_user_attrs(self._id)

    def _write(self, name: str, value: Any) -> None:
        self._storage.set_study_user_attr(self._id, name, value)


ATTRIBUTES: tuple[str, ...] = (
    "stage", "target", "reason", "diverged", "flat", "loss", "seed", "repeats", "seconds",
    "first_loss",
)  # fmt: skip


def read_trial(frozen: FrozenTrial) -> Tried:
    """Optuna's trial as the stages see it."""
    known = {name: frozen.user_attrs[name] for name in ATTRIBUTES if name in frozen.user_attrs}
    curve = dict(sorted(frozen.intermediate_values.items()))
    known["times"] = {int(part): age for part, age in frozen.user_attrs.get("times", {}).items()}
    return Tried(frozen.number, dict(frozen.params), STATES[frozen.state], curve, **known)
