"""`steadygrad train` is watched: faults are told and stop it, and nothing else changes."""

import json

import pytest
import torch

from steadygrad import fit
from steadygrad.fit.faults import Stopped, to_answer
from steadygrad.record import Finding, Recipe, Record
from training_helpers import trained

SMALL = Recipe(
    model="lenet", epochs=2, precision="fp32", memory_format="contiguous", threads=1, seed=3
)


class Heard(fit.Silent):
    """Keeps what was said."""

    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)

    @property
    def text(self):
        return "\n".join(self.lines)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def train(out, recipe=SMALL, **job):
    """`steadygrad train` up to the end of training; scoring and export are left out."""
    heard = Heard()
    loop = trained(out, recipe, heard, **job)
    return loop, heard


def finding(rule, severity="error"):
    return Finding(rule, severity, 3, "Saw.", "Expected.", "Fix.")


@pytest.mark.parametrize("recipe", [SMALL, SMALL.replace(model="fast", width=8, dropout=0.2)])
def test_watched_weights_are_those_of_an_unwatched_run(tmp_path, recipe):
    recipe = recipe.replace(dropout=0.0) if recipe.model == "lenet" else recipe
    watched, heard = train(tmp_path / "watched", recipe)
    unwatched, _ = train(tmp_path / "alone", recipe, watch=False)
    ours = watched.prepared.classifier.state_dict()
    alone = unwatched.prepared.classifier.state_dict()
    assert all(torch.equal(ours[name], alone[name]) for name in alone)
    assert watched.judge() == unwatched.judge() == []
    assert watched.prepared.record.graphs
    assert not unwatched.prepared.record.graphs
    assert "ERROR" not in heard.text
    assert "warning" not in heard.text


def test_record_holds_what_was_seen_inside_and_each_step_once(tmp_path):
    train(tmp_path / "out")
    record = Record.load(tmp_path / "out" / "record.jsonl")
    assert [step.step for step in record.steps] == list(range(1, len(record.steps) + 1))
    assert [epoch.epoch for epoch in record.epochs] == [0, 1]
    assert record.facts.classes
    assert record.facts.initial["loss"] > 2
    assert record.graphs
    assert {line.kind for line in record.signals} == {"train", "evaluation"}
    assert {line.step for line in record.parameter_signals} >= set(range(1, 10))
    assert record.loop.finished
    # Our own code is no user's: places are modules, never lines of ours or of who called us.
    wheres = [operation.where for graph in record.graphs for operation in graph.operations]
    assert not [where.file for where in wheres if where.file]
    assert {"layers.0"} <= {str(where.module).removeprefix("network.") for where in wheres}


def test_certain_error_stops_and_keeps_the_state(tmp_path):
    recipe = SMALL.replace(model="mlp", init="constant")
    out = tmp_path / "out"
    with pytest.raises(Stopped, match="symmetric-init") as stopped:
        train(out, recipe)
    assert stopped.value.finding.severity == "error"
    assert stopped.value.exit_status == 1
    assert "--on-fault warn" in str(stopped.value)
    record = Record.load(out / "record.jsonl")
    assert "symmetric-init" in [found.rule for found in record.findings]
    assert 0 < len(record.steps) < 20
    assert (out / "checkpoint" / "last.safetensors").exists()
    assert not (out / "summary.json").exists()
    summary = fit.resume(str(out), on_fault="warn")
    assert summary["steps"] == json.loads((out / "recipe.json").read_text())["total_steps"]


def test_warn_and_ignore_go_on_to_the_end(tmp_path):
    recipe = SMALL.replace(model="mlp", init="constant", epochs=1)
    warned, heard = train(tmp_path / "warn", recipe, on_fault="warn")
    told = heard.text.count("symmetric-init")
    ignored, silent = train(tmp_path / "ignore", recipe, on_fault="ignore")
    assert told > silent.text.count("symmetric-init")
    for loop in (warned, ignored):
        assert "symmetric-init" in [found.rule for found in loop.judge()]
        assert loop.state.steps_left == 0


def test_command_line_says_why_it_stopped(processes, tmp_path):
    options = ["--model", "mlp", "--init", "zeros", "--epochs", "2", "--out", tmp_path / "out"]
    ended = processes.run("train", "digits", *options, "--fail-on", "error")
    assert ended.status == 3
    assert "Stopped at step" in ended.err
    assert "symmetric-init" in ended.err
    assert "Traceback" not in ended.err


def test_failing_monitor_leaves_the_run_alone(tmp_path, monkeypatch):
    from steadygrad.monitor import Monitor

    def broken(self):
        raise RuntimeError("no taps")

    monkeypatch.setattr(Monitor, "install", broken)
    loop, _ = train(tmp_path / "out", SMALL.replace(epochs=1))
    assert loop.state.steps_left == 0
    assert "no taps" in loop.attendance.failures[0]


def test_answers():
    hopeless, odd = finding("not-learning"), finding("leakage")
    small = finding("norm-small-batch", "warning")
    everything = [small, odd, hopeless]
    assert to_answer(everything, "warn", ()) is None
    assert to_answer(everything, "ignore", ()) is None
    assert to_answer(everything, "stop", ("norm-small-batch",)) is hopeless
    assert to_answer(everything, "fix", ("norm-small-batch",)) is small
    assert to_answer([odd], "fix", ()) is None
    assert to_answer([finding("not-learning", "warning")], "stop", ()) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "model", ["fast", "logistic", "mlp", "lenet", "vgg", "resnet8", "resnet20", "mobilenet"]
)
def test_own_networks_are_never_accused(tmp_path, model):
    width = 0 if model in ("logistic", "mlp", "lenet") else 8
    loop, heard = train(tmp_path / "out", SMALL.replace(model=model, width=width, epochs=4))
    assert loop.judge() == []
    assert "ERROR" not in heard.text
