"""Somebody who looks on while a run trains, tells what is certain, and speaks up at a fault."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from steadygrad import rules
from steadygrad.fit.faults import HOPELESS, to_answer, worth_telling
from steadygrad.fit.folder import RunFolder
from steadygrad.fit.job import Show
from steadygrad.fit.prepare import Prepared
from steadygrad.fit.repair import PLANNERS
from steadygrad.fit.watched import Watched
from steadygrad.record import Finding, Line
from steadygrad.training_state import TrainingState


class Fault(Exception):
    """A certain finding that is to be answered, between two steps."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.rule)
        self.finding = finding


class Attendance:
    """The watch over one run, stretch after stretch."""

    def __init__(self, prepared: Prepared, folder: RunFolder, show: Show) -> None:
        self._prepared, self._folder, self._show = prepared, folder, show
        self._watched: Watched | None = None
        self._left: set[str] = set()

    def begun(self) -> AbstractContextManager[Any]:
        """The monitor in place for a stretch of training, unless the job does without."""
        prepared = self._prepared
        if not prepared.job.watch:
            return nullcontext()
        self._watched = Watched(prepared.record, self._measured, prepared.state.step)
        # What the pictures alone show was said before training; what can be answered is not yet.
        known = [f for f in rules.run(prepared.record) if f.rule not in HOPELESS | set(PLANNERS)]
        self._watched.remember(known)
        network = prepared.classifier.get_submodule("network")
        return self._watched.follow(network, prepared.recipe.model)

    def _measured(self, line: Line) -> None:
        self._folder.writer().write(line)
        self._prepared.record.add(line)

    def ask(self, state: TrainingState) -> None:
        """After a step: tell what rules are certain of since now; raises Fault to have it answered.

        Costs nothing on steps that are not watched.
        """
        if self._watched is None:
            return
        new = self._watched.news(state.step)
        on_fault = self._prepared.job.on_fault
        if text := worth_telling(new, on_fault):
            self._show.say(text)
        candidates = [finding for finding in new if finding.rule not in self._left]
        finding = to_answer(candidates, on_fault, PLANNERS)
        # At the end there is nothing left to stop, and a repair would undo a whole run.
        if finding is not None and state.steps_left:
            raise Fault(finding)

    def leave(self, rule: str) -> None:
        """This rule's fault can't be repaired and need not stop the run: let it be."""
        self._left.add(rule)

    @property
    def failures(self) -> list[str]:
        """What went wrong in watching itself; the run went on without."""
        return self._watched.failures if self._watched is not None else []

    def end(self) -> None:
        """Training came to its end."""
        if self._watched is not None:
            self._watched.end()

    def judge(self) -> list[Finding]:
        """What all rules say of the record now; written down in it."""
        record = self._prepared.record
        record.findings = self._watched.settle() if self._watched else rules.run(record)
        self._folder.save_record(record)
        return record.findings
