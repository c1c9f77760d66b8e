"""The middle of a run: steps, looks at the validation pictures, checkpoints, the deadline."""

from __future__ import annotations

import shlex
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from steadygrad import checkpoint
from steadygrad.errors import SteadygradError
from steadygrad.fit.attend import Attendance, Fault
from steadygrad.fit.budget import Budget
from steadygrad.fit.faults import HOPELESS, Stopped, broken_finding
from steadygrad.fit.folder import RunFolder
from steadygrad.fit.job import Show
from steadygrad.fit.look import look
from steadygrad.fit.prepare import Prepared
from steadygrad.fit.progress import Progress, is_finite, look_is_due
from steadygrad.fit.repair import PLANNERS, repair
from steadygrad.fit.signals import Interrupted, StopSignals
from steadygrad.record import Event, Finding, Step
from steadygrad.train import Diverged, TrainingState, train


@dataclass
class Loop:
    """One run's loop over `train`, and what it decides between two steps."""

    folder: RunFolder
    prepared: Prepared
    show: Show
    budget: Budget | None = None
    progress: Progress = field(default_factory=Progress)
    attendance: Attendance = field(init=False)

    def __post_init__(self) -> None:
        self.attendance = Attendance(self.prepared, self.folder, self.show)

    @property
    def state(self) -> TrainingState:
        """The training state."""
        return self.prepared.state

    def run(self, signals: StopSignals) -> None:
        """Train to the end, or until a signal, a deadline, a fault or no progress says stop."""
        if self.progress.stopped_early:
            return  # an earlier process came to the end of training, and no further
        go_on = f"Go on with: {_resume(self.folder)}"
        signals.message = f"Stopped at once; the checkpoint before is kept. {go_on}"
        if self.state.step == 0:
            self.save()
        while not self._trained(signals):
            pass
        self.save()
        signals.message = f"Stopped after training; the weights are saved. {go_on}"
        if signals.number is not None:
            at = f"step {self.state.step} of {self.state.total_steps}"
            raise Interrupted(f"Stopped at {at}; everything is saved. {go_on}", signals.number)

    def _trained(self, signals: StopSignals) -> bool:
        """Train from where the state stands; False: a fault was repaired, and it begins anew."""
        self.show.stage("training", self.state.total_steps)
        try:
            with signals.held():
                self._train(signals)
            if is_finite(self.state):
                return True
            return self._broken(_lost(self.state.step, self._kept()))
        except Diverged as error:
            self._note_broken(error)
            return self._broken(SteadygradError(f"{error} {self._kept()}"), error)
        except Fault as fault:
            if not self._repair(fault.finding):
                self._stop(fault.finding)
            return False

    def _train(self, signals: StopSignals) -> None:
        state, progress, recipe = self.state, self.progress, self.prepared.recipe
        saved = began = time.monotonic()
        if self.budget:
            self.budget.begin()
        seconds_before = progress.train_seconds
        steps = train(state, self.prepared.batches, recipe)
        with self.attendance.begun(), closing(steps):
            for step in steps:
                self._note(step)
                progress.train_seconds = seconds_before + time.monotonic() - began
                if look_is_due(state, recipe.patience) and look(self):
                    break
                self.attendance.ask(state)
                self._replan()
                if signals.number is not None:
                    break
                if time.monotonic() - saved >= self.prepared.job.checkpoint_seconds:
                    self.save()
                    saved = time.monotonic()
            if signals.number is None:
                self.attendance.end()
        progress.train_seconds = seconds_before + time.monotonic() - began

    def judge(self) -> list[Finding]:
        """What all rules say of the record now; written down in it."""
        return self.attendance.judge()

    def _repair(self, finding: Finding) -> bool:
        """Repair the fault's cause if the tool owns it, and make ready to go on."""
        if self.prepared.job.on_fault != "fix":
            return False
        progress = repair(self.prepared, self.folder, finding, self.progress)
        if progress is None:
            return False
        self.progress = progress
        self.show.say(self.prepared.record.events[-1].text)
        self.save()
        return True

    def _stop(self, finding: Finding) -> None:
        """End the run at a certain error that can't or shall not be repaired."""
        if finding.rule not in HOPELESS:
            self.attendance.leave(finding.rule)
            return
        self.save()
        self.judge()
        raise Stopped(finding, self.state.step, self._kept(), _resume(self.folder))

    def save(self, name: str = "last") -> None:
        """Write a checkpoint, the record before it.

        Weights that are no numbers any more are not written: the next step ends the run, and the
        good ones saved before stay.
        """
        self.folder.writer().flush()
        if is_finite(self.state):
            extra: dict[str, Any] = {"progress": vars(self.progress)}
            checkpoint.save(self.folder.path / "checkpoint", self.state, extra, name)

    def _note(self, step: Step) -> None:
        progress = self.progress
        progress.data_seconds += step.data_seconds
        progress.compute_seconds += step.compute_seconds
        progress.num_images += step.num_images
        progress.loss_sum += step.loss
        progress.loss_count += 1
        self.folder.writer().write(step)
        self.prepared.record.add(step)
        self.show.step(step, self.state.total_steps)

    def _replan(self) -> None:
        if self.budget and (text := self.budget.pace(self.state)) is not None:
            self.tell("replanned", text, total_steps=self.state.total_steps)

    def tell(self, name: str, text: str, **values: Any) -> None:
        """Write down and say what was decided."""
        event = Event(self.state.step, name, text, values)
        self.folder.writer().write(event)
        self.prepared.record.add(event)
        self.show.say(text)

    def _note_broken(self, error: Diverged) -> None:
        """Write the broken step down, so that rules see it."""
        self.prepared.record.add(
            Step(error.step, self.state.epoch, error.loss, error.lr, 0, grad_norm=error.grad_norm)
        )

    def _broken(self, failure: SteadygradError, cause: Exception | None = None) -> bool:
        """Numbers broke: repair that, or stop with what is kept."""
        errors = (f for f in self.judge() if f.severity == "error" and f.rule in PLANNERS)
        finding = next(errors, None)
        if self._repair(finding or broken_finding(self.state.step, str(failure))):
            return False
        raise failure from cause

    def _kept(self) -> str:
        return f"The last good state is kept in {self.folder.path / 'checkpoint'}."


def _resume(folder: RunFolder) -> str:
    return f"steadygrad train --resume {shlex.quote(str(folder.path))}"


def _lost(step: int, kept: str) -> SteadygradError:
    """The last update left no numbers: nothing to score or export."""
    return SteadygradError(
        f"The weights are no finite numbers after step {step}. Try a smaller --lr, some "
        f"--warmup 0.1 or --clip-norm 1. {kept}"
    )
