"""vanishing-gradient, exploding-gradient, dead-relu and saturated-activation."""

import pytest
from records import (
    found,
    graph,
    linear,
    loop,
    op,
    optimizer,
    parameter,
    record,
    signals,
    steps,
    weights,
)

from steadygrad.record import Record

WATCHED = [*range(10), 12, 15, 20, 30, 45]


def deep(gradients, activation="sigmoid", watched=WATCHED, output_gradients=None) -> Record:
    """One linear layer per gradient RMS, the activation between them."""
    count = len(gradients)
    rows = []
    for _ in range(count - 1):
        rows += [linear(64, 64), activation]
    rows += [linear(64, 10), "cross_entropy"]
    network = graph(*rows)
    layers = [o.layer for o in network.operations if o.name == "linear"]
    lines = []
    for step in watched:
        for i, layer in enumerate(layers):
            lines.append(weights(f"{layer}.weight", step, rms=0.1, grad_rms=gradients[i]))
            if output_gradients:
                lines.append(signals(layer, step, grad_rms=output_gradients[i]))
    return record(
        network,
        lines,
        steps([2.3] * 50),
        loop(
            optimizers=[optimizer(steps=50)],
            parameters=[parameter(f"{layer}.weight", (64, 64)) for layer in layers],
        ),
    )


# vanishing-gradient


@pytest.mark.parametrize(
    ("ratio", "severity"),
    [(1.1e-3, None), (0.9e-3, "warning"), (1.1e-4, "warning"), (0.9e-4, "error")],
)
def test_vanishing(ratio, severity):
    findings = found(deep([ratio * 1e-2, 3e-4, 1e-3, 1e-2]), "vanishing-gradient")
    assert [finding.severity for finding in findings] == ([severity] if severity else [])
    for finding in findings:
        assert finding.where.parameter == "linear.weight"
        assert "4 layers with sigmoid between them" in finding.saw
        assert "`nn.ReLU()` in place of sigmoid" in finding.fix


def test_absolute_sizes_mean_nothing():
    assert not found(deep([3e-12, 4e-12, 5e-12]), "vanishing-gradient")


def test_a_gradient_that_underflows_on_its_way_vanishes():
    (finding,) = found(deep([0.0, 1e-40, 1e-20, 1e-10, 1e-2]), "vanishing-gradient")
    assert finding.severity == "error"
    assert not found(deep([0.0, 1e-2, 1e-2, 1e-2, 1e-2]), "vanishing-gradient")
    assert not found(deep([0.0, 0.0, 0.0, 1e-2]), "vanishing-gradient")


def test_two_layers_are_no_depth():
    assert not found(deep([1e-9, 1e-2]), "vanishing-gradient")


def test_small_inputs_make_small_first_gradients_only():
    small = deep([1e-6, 1e-2, 1e-2, 1e-2], output_gradients=[0.5, 0.6, 0.7, 1.0])
    assert not found(small, "vanishing-gradient")
    both = deep([1e-6, 1e-5, 1e-3, 1e-2], output_gradients=[1e-4, 1e-3, 0.1, 1.0])
    assert found(both, "vanishing-gradient")


@pytest.mark.parametrize(
    "watched", [[0, 1, 2, 3, 4], [61, 70, 80, 90], [5, 6]], ids=["birth", "late", "few"]
)
def test_only_the_steps_after_birth_count(watched):
    assert not found(deep([1e-8, 1e-6, 1e-4, 1e-2], watched=watched), "vanishing-gradient")


def test_embeddings_and_what_starts_at_zero_are_left_out():
    made = deep([1e-8, 1e-2, 1e-2, 1e-2])
    made.graphs[0].operations[0].name = "embedding"
    assert not found(made, "vanishing-gradient")
    made = deep([1e-8, 1e-6, 1e-4, 1e-2])
    made.parameter_signals[0].values["rms"] = 0.0
    assert found(made, "vanishing-gradient")[0].where.parameter == "linear#2.weight"


def test_two_losses_have_no_one_depth():
    made = deep([1e-8, 1e-6, 1e-4, 1e-2])
    made.graphs[0].roots = [2, 7]
    assert not found(made, "vanishing-gradient")


# exploding-gradient


@pytest.mark.parametrize(
    ("ratio", "severity"), [(99, None), (101, "warning"), (9.9e3, "warning"), (1.1e4, "error")]
)
def test_exploding_between_layers(ratio, severity):
    findings = found(deep([ratio * 1e-3, 1e-2, 1e-3]), "exploding-gradient")
    assert [finding.severity for finding in findings] == ([severity] if severity else [])


def test_large_inputs_make_large_first_gradients_only():
    made = deep([1.0, 1e-3, 1e-3], output_gradients=[0.9, 0.8, 1.0])
    assert not found(made, "exploding-gradient")
    made = deep([1.0, 1e-1, 1e-3], output_gradients=[50.0, 8.0, 1.0])
    assert found(made, "exploding-gradient")


def spiking(norms) -> Record:
    made = deep([1e-2, 1e-2, 1e-2])
    made.steps = steps([2.0] * len(norms))
    for line, norm in zip(made.steps, norms):
        line.grad_norm = norm
    return made


@pytest.mark.parametrize(("spikes", "height", "fires"), [(3, 11, True), (2, 11, False),
                                                         (3, 9, False)])  # fmt: skip
def test_spikes_of_the_norm(spikes, height, fires):
    norms = [1.0] * 60
    for i in range(spikes):
        norms[20 + 10 * i] = float(height)
    findings = found(spiking(norms), "exploding-gradient")
    assert bool(findings) == fires
    if fires:
        assert (findings[0].severity, findings[0].step) == ("warning", 41)
        assert "clip_grad_norm_" in findings[0].fix


def test_hard_pictures_after_learning_are_no_spikes():
    norms = [*[1.0] * 20, *[0.01] * 60]
    for i in (40, 50, 60, 70):
        norms[i] = 2.0
    assert not found(spiking(norms), "exploding-gradient")


def test_norms_are_made_of_parameter_signals_where_steps_have_none():
    made = deep([1e-2, 1e-2, 1e-2], watched=list(range(60)))
    for line in made.parameter_signals:
        if line.step in (30, 40, 50):
            line.values["grad_rms"] = 1.0
    assert found(made, "exploding-gradient")


# dead-relu


def rectified(fraction, window, zero=0.6, units=64, batch=64, count=8) -> Record:
    network = graph(
        linear(64, units), "relu", linear(units, 10), op("relu", layer="clamp"), "mse_loss"
    )
    for operation in network.operations[:4]:
        operation.shape = [batch, units]
    lines = [
        signals("relu", step, dead_fraction=fraction, dead_window=window, zero_fraction=zero)
        for step in range(count)
    ]
    # What follows the last weight is another rule's.
    lines += [
        signals("clamp", step, dead_fraction=1.0, dead_window=9999.0, zero_fraction=1.0)
        for step in range(count)
    ]
    return record(network, lines)


@pytest.mark.parametrize(
    ("fraction", "window", "severity"),
    [
        (0.39, 2000, None),
        (0.41, 2000, "warning"),
        (0.89, 2000, "warning"),
        (0.91, 2000, "error"),
        (0.5, 1279, None),
        (0.5, 1280, "warning"),  # 20 batches of 64
        (1.0, 255, None),
        (1.0, 256, "error"),
    ],
)
def test_dead_relu(fraction, window, severity):
    findings = found(rectified(fraction, window), "dead-relu")
    assert [finding.severity for finding in findings] == ([severity] if severity else [])
    for finding in findings:
        assert (finding.where.file, finding.where.line) == ("train.py", 12)
        assert finding.numbers["layers"] == ["relu"]


def test_large_batches_need_no_twenty():
    assert not found(rectified(0.5, 1999, batch=512), "dead-relu")
    assert found(rectified(0.5, 2000, batch=512), "dead-relu")


def test_a_narrow_layer_may_spare_half_its_units():
    assert not found(rectified(0.5, 5000, units=8), "dead-relu")
    assert found(rectified(1.0, 5000, units=8), "dead-relu")


def test_many_zeros_are_not_death():
    assert not found(rectified(0.02, 5000, zero=0.95), "dead-relu")


def test_a_silent_layer_is_dead_at_once():
    (finding,) = found(rectified(0.0, 0, zero=1.0, count=5), "dead-relu")
    assert finding.severity == "error"
    assert not found(rectified(0.0, 0, zero=1.0, count=4), "dead-relu")
    assert not found(rectified(0.0, 0, zero=1.0, batch=8, count=8), "dead-relu")


# saturated-activation


def squashed(share, name="tanh", count=8, losses=(2.3,) * 20, hidden=True) -> Record:
    rows = [linear(64, 64), name, linear(64, 10), "cross_entropy"]
    network = graph(*(rows if hidden else [rows[0], rows[2], name, rows[3]]))
    lines = [signals(name, step, saturated_fraction=share) for step in range(count)]
    return record(network, lines, steps(losses))


@pytest.mark.parametrize(
    ("share", "severity"), [(0.49, None), (0.51, "warning"), (0.89, "warning"), (0.91, "error")]
)
@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_saturated(share, severity, name):
    findings = found(squashed(share, name), "saturated-activation")
    assert [finding.severity for finding in findings] == ([severity] if severity else [])
    for finding in findings:
        assert finding.where.line == 12
        assert finding.step == 4


def test_saturation_must_last():
    assert not found(squashed(0.97, count=4), "saturated-activation")
    broken = squashed(0.97, count=9)
    broken.signals[4].values["saturated_fraction"] = 0.3
    assert not found(broken, "saturated-activation")


def test_outputs_and_gates_may_saturate():
    assert not found(squashed(0.97, hidden=False), "saturated-activation")
    generator = squashed(0.97)  # its output goes into the discriminator's first layer
    generator.graphs[0].outputs = [1]
    assert not found(generator, "saturated-activation")
    gate = squashed(0.97, "sigmoid")
    gate.graphs[0].operations[2] = op("mul", 0, 1, layer="mul")
    gate.graphs[0].operations.insert(3, linear(64, 10, 2, -2, layer="head"))
    gate.graphs[0].operations[4].inputs = [3, -1]
    assert not found(gate, "saturated-activation")


def test_a_net_that_has_learned_may_saturate():
    assert not found(squashed(0.97, losses=[2.3, *[0.2] * 20]), "saturated-activation")
