"""One worker: takes the next piece of work, trains it, writes it down, until nothing fits."""

from __future__ import annotations

import shutil
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from steadygrad.errors import SteadygradError
from steadygrad.search.budget import Budget
from steadygrad.search.clock import Clock
from steadygrad.search.edges import find_edges
from steadygrad.search.listener import Deaf, Listener
from steadygrad.search.objective import Look, Objective
from steadygrad.search.propose import propose
from steadygrad.search.space import Space
from steadygrad.search.stages import GoOn, Plan, Propose, Repeat, Work, next_work
from steadygrad.search.study import Study
from steadygrad.search.tried import RUNNING, WAITING, Tried
from steadygrad.search.turn import Turn
from steadygrad.search.workers import Taken

WAIT_SECONDS = 0.5
HOPELESS_START = 5
"""So many trials that fail with an error before any is scored: it is not the values."""


@dataclass
class Worker:
    """What one process needs to take part in a search."""

    study: Study
    objective: Objective
    space: Space
    """As asked for; the study knows how far its ranges were widened since."""
    plan: Plan
    budget: Budget
    folder: Path
    """Where checkpoints lie; shared, if other machines are to go on with them."""
    listener: Listener = field(default_factory=Deaf)
    clock: Clock = field(default_factory=Clock)
    trained_parts: int = 0
    """Parts this worker trained."""
    age_before: float = 0.0
    """Seconds the study had behind it when this worker joined."""

    @property
    def age(self) -> float:
        """Seconds of work the study has behind it."""
        return self.age_before + self.budget.age

    def run(self) -> None:
        """Work until the budget is spent or nothing is left to do."""
        self.age_before = self.study.age
        while True:
            self.clock.enter("choosing")
            trial, target = self._take()
            if trial is None:
                return
            self.listener.begun(trial, target, trial.stage)
            with suppress(Taken):  # silent for too long, a suspended machine say: it is another's
                self._train(trial, target)
            self.clock.enter("choosing")
            self.study.grow(self.age)
            tried = self.study.trials()
            self.listener.left(tried[trial.number], tried, self.budget.parts_left(tried))
            stop_where_all_fail(tried)

    def _take(self) -> tuple[Tried | None, int]:
        """The next trial this worker has for itself, and the part it is to reach."""
        while not self.budget.is_over:
            rescued = self.study.pick_up()
            if rescued is not None:
                return rescued, rescued.target
            tried = self.study.trials()
            work = next_work(tried, self.plan, self.budget.parts_left(tried))
            if work is None:
                if not any(trial.state == RUNNING for trial in tried):
                    return None, 0
                time.sleep(WAIT_SECONDS)  # should the one who runs it die, it is taken up here
                continue
            trial = self._get(work, tried)
            if trial is not None:
                return trial, work.target if isinstance(work, GoOn) else self.plan.full
        return None, 0

    def _get(self, work: Work, tried: list[Tried]) -> Tried | None:
        if isinstance(work, GoOn):
            taken = self.study.claim(work.trial, work.target, work.stage)
            return self.study.trials()[work.trial.number] if taken else None
        full = self.plan.full
        if isinstance(work, Repeat):
            attrs = {"stage": "finalists", "target": full, "seed": work.seed}
            attrs["repeats"] = work.trial.number
            only = f"{work.trial.number} seed {work.seed}"
            space = self.study.ranges(self.space)
            if not space.contains(work.trial.params):
                space = self.space
            return self.study.start(work.trial.params, space, attrs, only=only)
        assert isinstance(work, Propose)
        space = self._widen(tried)
        params = propose(space, tried, full, self.plan.seed + 1000 + len(tried))
        attrs = {"stage": "fine", "target": full, "seed": self.plan.seed}
        # Two workers that know the same propose the same: the second then asks again.
        return self.study.start(params, space, attrs, only=f"proposal {len(tried)}")

    def _widen(self, tried: list[Tried]) -> Space:
        """Look at the edges before a model is asked; the space to ask it about."""
        space = self.study.ranges(self.space)
        for edge in find_edges(space, tried, self.plan.full):
            told = self.study.told()
            known = f"{edge.parameter.name}: the best value, "
            if edge.is_cliff and any(text.startswith(known) for text in told):
                continue
            if edge.text not in told:
                self.listener.decided(edge.text)
            self.study.widen(edge.wider or edge.parameter, edge.text)
        return self.study.ranges(self.space)

    def _train(self, trial: Tried, target: int) -> None:
        """Train one trial until `target`, its end or the deadline."""
        turn, began = Turn.at(trial, target), time.monotonic()
        folder = self.study.folder(self.folder, trial)
        before = self.objective.done(folder)
        fields = self.space.fields(trial.params)
        heart = self.study.heart(trial.number)
        try:
            with (
                heart,
                closing(self.objective.train(fields, trial.seed, target, folder)) as reports,
            ):
                for report in self.clock.timed(reports):
                    if heart.is_taken:
                        raise Taken
                    turn.see(report)
                    if isinstance(report, Look):
                        self._write_down(turn, report)
                    if turn.is_over or self.budget.is_over:
                        break
        except KeyboardInterrupt:
            self.study.leave(trial.number, WAITING, None)
            raise
        except (SteadygradError, RuntimeError, MemoryError) as error:
            turn.fail(error)
        done = self.objective.done(folder)
        self.trained_parts += max(0, done - before)
        self.study.note(trial.number, **turn.notes(time.monotonic() - began, done))
        parts = self.study.trials()[trial.number].parts
        state, value = turn.result(parts, self.plan.full)
        self.study.leave(trial.number, state, value)
        if state != WAITING:  # nobody goes on with it: its checkpoint is only in the way
            shutil.rmtree(folder, ignore_errors=True)

    def _write_down(self, turn: Turn, look: Look) -> None:
        """A score, for the others to know and to be judged by."""
        number = turn.trial.number
        self.study.note(number, **turn.so_far())
        self.study.report(number, look.part, look.value, look.loss, self.age)
        self.listener.looked(turn.trial, look.part, look.value)
        tried = self.study.trials()
        turn.judge(look, tried, self.plan, self.budget.parts_left(tried))


def stop_where_all_fail(tried: list[Tried]) -> None:
    """Raise SteadygradError where every trial fails: the fault is not in the values."""
    failed = [trial for trial in tried if trial.reason.startswith("failed: ")]
    if len(failed) >= HOPELESS_START and not any(trial.curve for trial in tried):
        raise SteadygradError(
            f"The first {len(failed)} trials failed; the search was stopped. The last one "
            f"{failed[-1].reason}"
        )
