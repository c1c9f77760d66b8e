"""Tells evaluation from training in a loop nobody described, and keeps its scores."""

from __future__ import annotations

from dataclasses import dataclass, field

from steadygrad.record import Epoch, Loop, Where


@dataclass
class Run:
    """A stretch of forward passes that no backward followed."""

    step: int
    where: Where
    model: str
    calls: int = 0
    training: bool = False
    used: bool = False
    """Something was computed of the outputs: a loss, a class, a comparison with labels."""
    loss_sum: float = 0.0
    losses: int = 0
    correct: float = 0.0
    scored: int = 0


@dataclass
class Curve:
    """Sums over training steps since the last evaluation."""

    loss_sum: float = 0.0
    losses: int = 0
    correct: float = 0.0
    scored: int = 0


@dataclass
class Evaluations:
    """The evaluation runs so far."""

    current: Run | None = None
    finished: int = 0
    training_mode: int = 0
    where: Where = field(default_factory=Where)
    train: Curve = field(default_factory=Curve)
    _last_step: int = -1

    def call(self, model: str, where: Where, step: int, training: bool) -> Run:
        """A forward pass without backward: it opens a run or goes on with it."""
        run = self.current
        if run is None or run.step != step:
            run = self.current = Run(step, where, model)
        run.calls += 1
        run.training = run.training or training
        return run

    def loss(self, value: float, size: int) -> None:
        """A loss was computed in the current run."""
        if self.current is not None and size:
            self.current.used = True
            self.current.loss_sum += value * size
            self.current.losses += size

    def accuracy(self, correct: float, size: int) -> None:
        """Predictions of the current run were compared with labels."""
        if self.current is not None and size:
            self.current.used = True
            self.current.correct += correct
            self.current.scored += size

    def trained(self, loss: float, accuracy: float | None, size: int) -> None:
        """A training step ended."""
        if loss == loss:
            self.train.loss_sum += loss
            self.train.losses += 1
        if accuracy is not None and size:
            self.train.correct += accuracy * size
            self.train.scored += size

    def end(self, step: int) -> Epoch | None:
        """Training goes on: was that an evaluation? Its scores if so.

        One pass between each two updates is none (the fakes of a GAN, a teacher); a stretch of
        several is, and a single one that comes now and then.
        """
        run, self.current = self.current, None
        if run is None:
            return None
        often = run.calls < 2 and run.step <= self._last_step + 1
        self._last_step = run.step
        if often or (run.calls < 2 and not run.used):
            return None
        self.finished += 1
        self.where = run.where
        if run.training and run.used:
            self.training_mode += 1
        train, self.train = self.train, Curve()
        return Epoch(
            epoch=self.finished - 1,
            step=step,
            train_loss=train.loss_sum / train.losses if train.losses else float("nan"),
            val_loss=run.loss_sum / run.losses if run.losses else None,
            val_accuracy=run.correct / run.scored if run.scored else None,
            train_accuracy=train.correct / train.scored if train.scored else None,
        )

    def write(self, loop: Loop) -> None:
        """Fill in what `Loop` says of evaluation."""
        loop.evaluation_runs = self.finished
        loop.evaluation_runs_training = self.training_mode
        loop.evaluation_where = self.where
