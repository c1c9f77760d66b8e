"""`train --on-fault fix` repairs what the tool owns, says so, and the run then learns."""

import json
import signal

import pytest
import torch

from steadygrad import checkpoint
from steadygrad.evaluate import evaluate
from steadygrad.fit.faults import Stopped
from steadygrad.fit.repair import LOWER, apply_repair, plan_repair, repair
from steadygrad.record import Finding, Recipe, Record
from test_watched_train import Heard
from training_helpers import trained

BASE = Recipe(
    model="mlp", epochs=8, precision="fp32", memory_format="contiguous", threads=1, seed=3
)
SIGMOIDS = BASE.replace(depth=12, activation="sigmoid", init="normal")
TINY_BATCHES = BASE.replace(
    model="resnet8", width=16, batch_size=2, norm="batch", epochs=3, lr=0.02
)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def repaired(out, recipe):
    """Train with --on-fault fix; the loop after it, and its test accuracy."""
    heard = Heard()
    loop = trained(out, recipe, heard, on_fault="fix")
    prepared = loop.prepared
    events = [event for event in prepared.record.events if event.name == "repaired"]
    assert [event.values["rule"] for event in events] == loop.progress.repaired
    for event in events:
        assert event.text in heard.lines
    saved = json.loads((out / "recipe.json").read_text())["recipe"]
    assert Recipe.from_dict(saved) == prepared.recipe
    assert Record.load(out / "record.jsonl").events == prepared.record.events
    return loop, evaluate(prepared.classifier, prepared.images.test).accuracy


def assert_well(loop):
    assert [found for found in loop.judge() if found.severity == "error"] == []
    steps = [step.step for step in loop.prepared.record.steps]
    assert steps == list(range(1, loop.state.total_steps + 1))


def finding(rule):
    return Finding(rule, "error", 3, "Saw.", "Expected.", "Fix.")


def test_zero_weights_are_drawn_anew(tmp_path):
    loop, accuracy = repaired(tmp_path / "out", BASE.replace(init="zeros"))
    assert loop.progress.repaired == ["symmetric-init"]
    assert loop.prepared.recipe.init == "auto"
    assert_well(loop)
    assert accuracy > 0.9


def test_far_too_high_rate_is_replaced_by_one_that_was_tried(tmp_path):
    loop, accuracy = repaired(tmp_path / "out", BASE.replace(model="lenet", lr=100))
    assert loop.progress.repaired == ["lr-too-high"]
    assert 0.001 < loop.prepared.recipe.lr < 1
    assert loop.prepared.recipe.warmup > 0
    assert_well(loop)
    assert accuracy > 0.85


def test_broken_numbers_at_the_start_begin_anew_with_a_lower_rate(tmp_path):
    loop, accuracy = repaired(tmp_path / "out", BASE.replace(lr=1e15))
    assert len(loop.progress.repaired) == 1
    assert_well(loop)
    assert accuracy > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "rules", "enough"),
    [
        (BASE.replace(model="lenet", init="constant", init_std=0.05), {"symmetric-init"}, 0.88),
        (BASE.replace(depth=6, init="normal", init_std=2.0), {"init-scale"}, 0.9),
        (BASE.replace(lr=3), {"lr-too-high"}, 0.9),
        (SIGMOIDS, {"vanishing-gradient", "init-scale"}, 0.9),
        (TINY_BATCHES, {"norm-small-batch"}, 0.85),
        (BASE.replace(model="lenet", preprocess="none"), {"loss-at-init"}, 0.88),
    ],
    ids=["constant", "large", "lr 3", "sigmoids", "batches of 2", "raw pixels"],
)
def test_other_faults(tmp_path, recipe, rules, enough):
    loop, accuracy = repaired(tmp_path / "out", recipe)
    assert set(loop.progress.repaired) == rules
    assert_well(loop)
    assert accuracy > enough


def test_what_was_well_goes_back_to_its_best_state_with_a_lower_rate(tmp_path):
    """A run that had learned and then broke keeps what it had learned."""
    out = tmp_path / "out"
    loop = trained(out, BASE.replace(epochs=4), Heard(), on_fault="fix")
    best, rate = loop.progress.best_step, loop.state.lr
    with torch.no_grad():
        next(loop.prepared.classifier.network.parameters()).fill_(float("nan"))
    progress = repair(loop.prepared, loop.folder, finding("non-finite"), loop.progress)
    assert progress is not None
    state = loop.prepared.state
    assert state.step == best
    assert state.lr == pytest.approx(rate * LOWER)
    assert all(torch.isfinite(t).all() for t in state.classifier.state_dict().values())
    accuracy = evaluate(state.classifier, loop.prepared.images.test).accuracy
    assert accuracy > 0.85
    assert [step.step for step in loop.prepared.record.steps] == list(range(1, best + 1))
    assert loop.prepared.record.events[-1].step == best
    # The same fault is repaired once.
    assert repair(loop.prepared, loop.folder, finding("non-finite"), progress) is None


def test_dead_units_get_a_leaky_slope_when_early_and_no_repair_when_late(tmp_path):
    loop = trained(tmp_path / "out", BASE.replace(epochs=1), Heard())
    prepared = loop.prepared
    prepared.state.progress = 0.9
    assert plan_repair(prepared, finding("dead-relu"), -1.0) is None
    prepared.state.progress = 0.1
    plan = plan_repair(prepared, finding("dead-relu"), -1.0)
    assert plan is not None
    assert plan.recipe.activation == "leaky-relu"
    assert apply_repair(prepared, plan, loop.folder) == {}
    assert prepared.state.step == 0
    names = {type(module).__name__ for module in prepared.classifier.network.modules()}
    assert "LeakyReLU" in names
    assert "ReLU" not in names
    assert not checkpoint.path_of(tmp_path / "out" / "checkpoint").exists()
    assert plan_repair(prepared, finding("leakage"), -1.0) is None


def test_what_the_tool_does_not_own_stops(tmp_path, monkeypatch):
    (tmp_path / "nets.py").write_text(
        "import torch\n"
        "from torch import nn\n"
        "class Proud(nn.Module):\n"
        "    def __init__(self, num_classes, in_channels):\n"
        "        super().__init__()\n"
        "        self.first = nn.Linear(64 * in_channels, 32)\n"
        "        self.head = nn.Linear(32, num_classes)\n"
        "    def forward(self, x):\n"
        "        x = torch.relu(self.first(x.flatten(1)))\n"
        "        return torch.softmax(self.head(x), 1)\n"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Stopped) as stopped:
        trained(tmp_path / "out", BASE.replace(model="nets.py:Proud"), Heard(), on_fault="fix")
    assert stopped.value.finding.rule == "double-softmax"
    assert stopped.value.finding.where.file.endswith("nets.py")
    assert stopped.value.finding.where.line == 10


@pytest.mark.slow
def test_a_repaired_run_that_is_killed_goes_on_repaired(processes, tmp_path):
    out = tmp_path / "out"
    options = ["--model", "mlp", "--init", "zeros", "--epochs", "30", "--on-fault", "fix"]
    words = ["train", "digits", "--out", out, *options, "--checkpoint-every", "0s"]
    last = out / "checkpoint" / "last.safetensors"
    ended = processes.run(*words, wait_for=last, pause=1.5, then=signal.SIGTERM)
    if ended.status == 143:
        assert json.loads((out / "recipe.json").read_text())["recipe"]["init"] == "auto"
        ended = processes.run("train", "--resume", out)
    assert ended.status == 0, ended.err
    summary = json.loads((out / "summary.json").read_text())
    assert summary["test"]["accuracy"] > 0.9
    assert "Repaired symmetric-init" in (out / "report.html").read_text()
