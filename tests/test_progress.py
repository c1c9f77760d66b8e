"""What a person sees while a run goes on: few lines in a log, a moving bar on a terminal."""

import io

import pytest

from steadygrad.cli import progress as module
from steadygrad.record import Epoch, Step


class Clock:
    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def plain(quiet=False):
    shown = module.Progress(quiet=quiet)
    shown.console.file = io.StringIO()
    return shown


def go(shown, clock, first, last, total, seconds_per_step=1.0):
    for step in range(first, last + 1):
        clock.now += seconds_per_step
        shown.step(Step(step, step // 10, 0.5, 0.1, 8), total)
    return shown.console.file.getvalue().splitlines()


def test_a_line_every_ten_seconds(clock):
    shown = plain()
    shown.stage("training", 100)
    lines = go(shown, clock, 1, 35, 100)
    assert lines == [
        "training: 10 of 100, epoch 2, loss 0.500, about 1 min 30 s left",
        "training: 20 of 100, epoch 3, loss 0.500, about 1 min 20 s left",
        "training: 30 of 100, epoch 4, loss 0.500, about 1 min 10 s left",
    ]


def test_short_runs_say_little(clock):
    shown = plain()
    shown.stage("training", 100)
    assert go(shown, clock, 1, 99, 100, seconds_per_step=0.09) == []


def test_resumed_run_is_not_thought_fast(clock):
    shown = plain()
    shown.stage("training", 100)
    assert go(shown, clock, 61, 70, 100)[-1].endswith("about 30 s left")


def test_epochs_say_the_time_left_too(clock):
    shown = plain()
    shown.stage("training", 100)
    go(shown, clock, 1, 5, 100)
    shown.epoch(Epoch(0, 5, 1.0, val_loss=0.5, val_accuracy=0.75))
    assert shown.console.file.getvalue() == (
        "epoch 1: train loss 1.000, validation loss 0.500, accuracy 75.0 %, about 1 min 35 s left\n"
    )


def test_quiet_shows_nothing(clock):
    shown = plain(quiet=True)
    shown.stage("training", 100)
    shown.say("hello")
    shown.epoch(Epoch(0, 5, 1.0, val_loss=0.5, val_accuracy=0.75))
    assert go(shown, clock, 1, 50, 100) == []


def test_names_cannot_steer_the_terminal():
    shown = plain()
    shown.say("class \x1b[31m[bold]x[/] :smile:")
    assert shown.console.file.getvalue() == "class \ufffd[31m[bold]x[/] :smile:\n"


def test_bar_on_a_terminal():
    from rich.console import Console

    shown = module.Progress()
    shown.console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with shown:
        shown.stage("reading")
        shown.stage("training", 100)
        shown.step(Step(61, 3, 0.5, 0.1, 8), 100)
        shown.step(Step(62, 3, 0.25, 0.1, 8), 100)
        shown.say("a line that stays")
    text = shown.console.file.getvalue()
    assert "62/100" in text
    assert "epoch 4, loss 0.250" in text
    assert "a line that stays" in text
