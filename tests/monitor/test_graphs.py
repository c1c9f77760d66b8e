"""Every style of code gives the same plain operations, with the user's lines."""

from __future__ import annotations

import inspect

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from monitor.watched import names, operation, watch
from steadygrad.monitor.statistics import sample
from steadygrad.record import OUTSIDE, PARAMETER


def line_of(function, text):
    lines, first = inspect.getsourcelines(function)
    return first + next(i for i, line in enumerate(lines) if text in line)


def batch(size=16):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(size, 8, generator=generator), torch.arange(size) % 4


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 12)
        self.second = nn.Linear(12, 4)

    def forward(self, x):
        return self.second(F.relu(self.first(x)))


def train_class(steps=3):
    x, y = batch()
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()


def train_sequential():
    x, y = batch()
    net = nn.Sequential(
        nn.Linear(8, 12),
        nn.ReLU(inplace=True),
        nn.Linear(12, 4),
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    loss = nn.CrossEntropyLoss()(net(x), y)
    loss.backward()
    optimizer.step()


def train_raw():
    x, y = batch()
    w1 = torch.randn(8, 12, requires_grad=True)
    w2 = torch.randn(12, 4, requires_grad=True)
    for _ in range(3):
        hidden = (x @ w1).clamp(min=0)
        log_p = torch.log_softmax(hidden.mm(w2), 1)
        loss = -log_p[range(16), y].mean()
        loss.backward()
        with torch.no_grad():
            for w in (w1, w2):
                w -= 0.1 * w.grad
                w.grad.zero_()


def test_a_class_with_functions():
    graph = watch(train_class).graphs[0]
    assert names(graph) == ["linear", "relu", "linear", "cross_entropy"]
    linear, relu, second, loss = graph.operations
    assert linear.layer == "first"
    assert linear.where.parameter == "first.weight"
    assert linear.where.line == line_of(Net, "return self.second")
    assert linear.built is not None
    assert linear.built.line == line_of(Net, "self.first = ")
    assert linear.called is not None
    assert linear.called.line == line_of(train_class, "F.cross_entropy(net(x), y)")
    assert linear.inputs == [OUTSIDE, PARAMETER, PARAMETER]
    assert relu.inputs == [0]
    assert second.inputs[0] == 1
    assert loss.inputs[0] == 2
    assert loss.attributes["num_classes"] == 4
    assert graph.roots == [3]
    assert graph.outputs == [2]


def test_a_sequential_names_the_line_that_builds_each_layer():
    graph = watch(train_sequential).graphs[0]
    assert names(graph) == ["linear", "relu", "linear", "cross_entropy"]
    assert graph.operations[0].where.line == line_of(train_sequential, "nn.Linear(8, 12)")
    assert graph.operations[1].where.line == line_of(train_sequential, "nn.ReLU")
    assert graph.operations[1].inputs == [0]


def test_raw_tensors_and_updates_by_hand():
    record = watch(train_raw)
    graph = record.graphs[0]
    assert names(graph) == ["matmul", "relu", "matmul", "log_softmax", "getitem", "mean", "neg"]
    assert operation(graph, "matmul").where.parameter == "w1"
    assert graph.roots == [6]
    assert record.loop.manual_updates
    assert [step.step for step in record.steps] == [1, 2, 3]


def test_signals_equal_the_numbers_in_float64():
    x, _ = batch()
    torch.manual_seed(3)
    net = Net()
    expected = net.first(x).double()
    record = watch(lambda: F.mse_loss(net(x), torch.zeros(16, 4)).backward() or None)
    values = next(line.values for line in record.signals if line.layer == "first")
    assert values["mean"] == pytest.approx(float(expected.mean()), abs=1e-6)
    assert values["std"] == pytest.approx(float(expected.std(correction=0)), rel=1e-5)
    assert values["min"] == pytest.approx(float(expected.min()))
    spread = expected.var(0, correction=0).mean().sqrt() / expected.square().mean().sqrt()
    assert values["batch_spread"] == pytest.approx(float(spread), rel=1e-5)


def test_gradients_of_results_and_weights():
    x, y = batch()
    torch.manual_seed(0)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    hidden = {}

    def once():
        F.cross_entropy(net(x), y).backward()
        hidden["grad"] = net.second.weight.grad.clone()
        hidden["before"] = net.second.weight.detach().clone()
        optimizer.step()

    record = watch(once)
    line = next(p for p in record.parameter_signals if p.parameter == "second.weight")
    grad, before = hidden["grad"], hidden["before"]
    assert line.values["grad_rms"] == pytest.approx(float(grad.square().mean().sqrt()), rel=1e-5)
    ratio = 0.5 * float(grad.norm() / before.norm())
    assert line.values["update_ratio"] == pytest.approx(ratio, rel=1e-4)
    # d loss / d logits = (p - onehot) / N
    with torch.no_grad():
        net.second.weight.copy_(before)
    logits = next(s.values for s in record.signals if s.layer == "second")
    assert logits["grad_rms"] > 0


def test_dead_units_are_counted_over_examples():
    net = nn.Sequential(nn.Linear(8, 10), nn.ReLU(), nn.Linear(10, 2))
    with torch.no_grad():
        net[0].bias[:4] = -1e4
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-6)
    x = torch.randn(64, 8)

    def work():
        for _ in range(5):
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()

    values = [s.values for s in watch(work).signals if s.layer == "1"][-1]
    assert values["dead_fraction"] == pytest.approx(0.4)
    assert values["dead_window"] == 5 * 64


def test_the_operation_that_raised_is_kept():
    def work():
        F.cross_entropy(torch.randn(4, 3, requires_grad=True), torch.tensor([0, 1, 2, 3]))

    with pytest.raises(IndexError):
        watch(work)
    exception = watch.record.loop.exception  # type: ignore[attr-defined]
    assert exception["operation"] == "cross_entropy"
    assert exception["values"]["target_max"] == 3
    assert exception["attributes"]["num_classes"] == 3
    assert exception["line"] == line_of(test_the_operation_that_raised_is_kept, "F.cross_entropy(")


def test_operations_inside_the_optimizer_and_of_data_are_left_out():
    def work():
        x, y = batch()
        x = (x - x.mean()) / x.std()
        net = Net()
        optimizer = torch.optim.AdamW(net.parameters(), foreach=False)
        for _ in range(2):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()

    record = watch(work)
    assert all(names(g) == ["linear", "relu", "linear", "cross_entropy"] for g in record.graphs)
    origin = record.batches[0].origin
    assert origin is not None
    assert origin.line == line_of(
        test_operations_inside_the_optimizer_and_of_data_are_left_out, "x.std()"
    )


def test_the_line_that_filled_a_weight_is_known():
    def work():
        model = Net()
        model.first.weight.data.normal_(0, 0.01)
        nn.init.constant_(model.second.weight, 0.5)
        raw = torch.ones(4, 4, requires_grad=True)
        x, y = batch()
        optimizer = torch.optim.SGD([*model.parameters(), raw], lr=0.1)
        F.cross_entropy(model(x) @ raw, y).backward()
        optimizer.step()

    record = watch(work)
    lines = {p.name: p.where.line for p in record.loop.parameters}
    this = test_the_line_that_filled_a_weight_is_known
    assert lines["first.weight"] == line_of(this, "data.normal_")
    assert lines["second.weight"] == line_of(this, "constant_")
    assert lines["raw"] == line_of(this, "torch.ones(4")
    assert "normal" not in names(record.graphs[0])


def test_code_without_modules_has_batches_and_labels():
    record = watch(train_raw)
    batches = [line for line in record.batches if line.kind == "train"]
    assert len(batches) == 3
    assert batches[0].labels == [i % 4 for i in range(16)]
    assert batches[0].shape == [16, 8]
    assert batches[0].where.line == line_of(train_raw, "x @ w1")


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_sample_of_a_big_tensor_stands_for_all_of_it(memory_format):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 32, 16, 16, generator=generator)
    x[:, :, 0] = x[:, :, -1] = x[..., 0] = x[..., -1] = 0  # as behind padding
    x = x.to(memory_format=memory_format)
    small = sample(x)
    assert small.numel() < x.numel() / 8
    assert small.shape[:2] == x.shape[:2]
    assert float(small.std()) == pytest.approx(float(x.std()), rel=0.1)


class Score(nn.Module):
    """Hashes by its state and compares elementwise, as the metrics of torchmetrics do."""

    def __init__(self):
        super().__init__()
        self._defaults = {"total": 0}

    def __hash__(self):
        return hash(tuple(self._defaults))

    def __eq__(self, other):
        raise TypeError("compares to a metric")

    def forward(self, scores, labels):
        return (scores.argmax(1) == labels).float().mean()


def test_modules_that_hash_by_their_state_are_followed():
    def work():
        model, score, (x, y) = Net(), Score(), batch()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            scores = model(x)
            optimizer.zero_grad()
            F.cross_entropy(scores, y).backward()
            optimizer.step()
            score(scores.detach(), y)

    assert watch(work).graphs  # and the monitor did not fail
