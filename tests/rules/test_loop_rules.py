"""What a loop does with its model: clearing, stepping, holding, modes, kept losses."""

import pytest
from records import (
    OUTSIDE,
    PARAMETER,
    batch,
    found,
    graph,
    linear,
    loop,
    op,
    optimizer,
    parameter,
    record,
    signals,
)

from steadygrad.record import Where


def at(line: int) -> Where:
    return Where("train.py", line)


def one(**fields):
    """A loop with one optimizer that did a hundred updates, ten of them watched."""
    fields = {"steps": 100, "watched": 10, "backwards_per_step": 1.0, **fields}
    return optimizer(step_where=at(25), wipe_where=at(22), **fields)


# missing-zero-grad


@pytest.mark.parametrize(
    ("stale", "watched", "fires"), [(3, 4, True), (2, 3, False), (9, 10, True), (3, 10, False)]
)
def test_gradients_that_pile_up(stale, watched, fires):
    habits = loop(optimizers=[one(stale=stale, watched=watched)], backward_where=at(24))
    findings = found(record(habits), "missing-zero-grad")
    assert bool(findings) == fires
    if fires:
        assert findings[0].where.line == 25
        assert "never called" in findings[0].saw
        assert "zero_grad()" in findings[0].fix


def test_clearing_too_rarely_is_told_by_its_count():
    habits = loop(optimizers=[one(stale=9)], zero_grads=4)
    assert "called 4 times for 100 updates" in found(record(habits), "missing-zero-grad")[0].saw


def test_only_the_optimizer_that_is_not_cleared_is_named():
    both = [one(stale=0), one(stale=9, name="Adam")]
    (finding,) = found(record(loop(optimizers=both)), "missing-zero-grad")
    assert "of Adam" in finding.saw


# zero-grad-misplaced


@pytest.mark.parametrize(("wiped", "fires"), [(10, True), (4, True), (3, False), (0, False)])
def test_gradients_wiped_before_the_step(wiped, fires):
    findings = found(record(loop(optimizers=[one(wiped=wiped)])), "zero-grad-misplaced")
    assert bool(findings) == fires
    if fires:
        assert findings[0].where.line == 22


def accumulating(**fields):
    return one(wiped_inside=10, backwards_per_step=4.0, **fields)


def test_gradients_wiped_inside_an_accumulation():
    (finding,) = found(record(loop(optimizers=[accumulating()])), "zero-grad-misplaced")
    assert "4 backwards" in finding.saw


def test_wipes_that_belong_to_something_else_are_silent():
    name = "zero-grad-misplaced"
    # a GAN: the generator's pass leaves gradients in the discriminator
    assert found(record(loop(optimizers=[accumulating(), one()])), name) == []
    assert found(record(loop(optimizers=[accumulating(closure=True)])), name) == []
    # SAM climbs by hand between its backwards
    assert found(record(loop(optimizers=[accumulating()], manual_updates=True)), name) == []
    assert found(record(loop(optimizers=[one(wiped_inside=10)])), name) == []


def test_adversarial_examples_are_silent():
    habits = loop(optimizers=[accumulating()])
    clean = batch(0, labels=[1, 2, 3], fingerprint="clean")
    attacked = batch(0, labels=[1, 2, 3], fingerprint="attacked")
    assert found(record(habits, clean, attacked), "zero-grad-misplaced") == []
    other = batch(0, labels=[3, 3, 3], fingerprint="other")
    assert len(found(record(habits, clean, other), "zero-grad-misplaced")) == 1
    learns = graph(linear(8, 4, PARAMETER, PARAMETER), "cross_entropy")
    assert found(record(habits, learns), "zero-grad-misplaced") == []


def test_gradients_read_by_hand_are_silent():
    reads = [
        op("detach", OUTSIDE, input_shapes=[[10, 64]]),
        op("detach", OUTSIDE, input_shapes=[[64, 8]]),
    ]
    made = graph(
        linear(8, 10), "cross_entropy", *reads, linear(8, 10, OUTSIDE, PARAMETER),
        op("cross_entropy", 4, OUTSIDE), roots=[1, 5],
    )  # fmt: skip
    held = [parameter("a.weight", (10, 64)), parameter("b.weight", (64, 8))]
    habits = loop(optimizers=[accumulating()], parameters=held)
    assert found(record(habits, made), "zero-grad-misplaced") == []
    without = loop(optimizers=[accumulating()])
    assert len(found(record(without, made), "zero-grad-misplaced")) == 1


# no-step


def still(**fields):
    """A loop whose optimizer never steps."""
    return loop(**{"optimizers": [optimizer()], "backward_where": at(24), "step": 0, **fields})


@pytest.mark.parametrize(
    ("habits", "fires"),
    [
        ({"backwards": 10, "zero_grads": 3}, True),
        ({"backwards": 9, "zero_grads": 9}, False),
        ({"backwards": 10, "zero_grads": 2}, False),  # may be a long accumulation
        ({"backwards": 255, "zero_grads": 1}, False),
        ({"backwards": 256}, True),
        ({"backwards": 3, "finished": True}, True),
        ({"backwards": 2, "finished": True}, False),
        ({"backwards": 5, "finished": True, "exception": {"text": "no"}}, False),
        ({"backwards": 20, "zero_grads": 20, "gradient_scaler": True}, False),
        ({"backwards": 40, "zero_grads": 40, "gradient_scaler": True}, True),
        ({"backwards": 500, "zero_grads": 500, "manual_updates": True}, False),
        ({"backwards": 500, "zero_grads": 500, "optimizers": []}, False),  # an attack
    ],
)
def test_backward_without_step(habits, fires):
    findings = found(record(still(**habits)), "no-step")
    assert bool(findings) == fires
    if fires:
        assert findings[0].where.line == 24
        assert ("scaler.step" in findings[0].fix) == habits.get("gradient_scaler", False)


@pytest.mark.parametrize(
    ("steps", "finished", "fires"),
    [(499, False, False), (500, False, True), (20, True, True), (9, True, False)],
)
def test_one_of_two_optimizers_never_steps(steps, finished, fires):
    idle = optimizer("Adam", where=at(9), steps=0)
    held = [parameter("a.weight"), parameter("b.weight", optimizer=1)]
    habits = loop(
        optimizers=[one(steps=steps), idle], parameters=held, finished=finished, backwards=steps
    )
    findings = found(record(habits), "no-step")
    assert [finding.where.line for finding in findings] == [9] * fires


def test_an_optimizer_whose_tensors_take_no_part_is_silent():
    idle = optimizer("Adam", steps=0)
    held = [parameter("a.weight"), parameter("b.weight", optimizer=1, used_by="")]
    habits = loop(optimizers=[one(), idle], parameters=held, finished=True)
    assert found(record(habits), "no-step") == []


# optimizer-misses-parameters

NAME = "optimizer-misses-parameters"
NET = graph(linear(8, 8), "relu", linear(8, 8), "relu", linear(8, 4), "cross_entropy")
LAYERS = ("linear", "linear#2", "linear#3")
MODELS = [{"name": "Net", "training_calls": 9, "evaluation_calls": 0}]


def holding(*optimizers, net=NET, models=MODELS, **fields):
    """NET's three weights, each in the optimizer given or in none."""
    held = [
        parameter(f"{layer}.weight", (8, 8), used_by=layer, optimizer=number, where=at(50 + i))
        for i, (layer, number) in enumerate(zip(LAYERS, optimizers, strict=True))
    ]
    for key, values in fields.pop("each", {}).items():
        for weight, value in zip(held, values, strict=True):
            setattr(weight, key, value)
    optimizers = fields.pop("optimizers", None) or [one(where=at(9))]
    return record(net, loop(optimizers=optimizers, parameters=held, models=models, **fields))


@pytest.mark.parametrize(
    ("held", "severity"),
    [
        ((0, 0, 0), None),
        ((0, 0, None), "error"),
        ((0, None, 0), "error"),
        ((None, 0, 0), "warning"),  # a backbone that was left unfrozen
        ((None, None, 0), "warning"),
        ((None, 0, None), "error"),
    ],
)
def test_weights_without_an_optimizer(held, severity):
    findings = found(holding(*held), NAME)
    assert [finding.severity for finding in findings] == ([severity] if severity else [])
    for finding in findings:
        assert finding.where.line == 9
        assert finding.where.parameter == f"{LAYERS[held.index(None)]}.weight"


def test_a_replaced_head_is_known_by_the_old_tensors():
    habits = holding(None, 0, 0, optimizers=[one(where=at(9), unknown_tensors=2)])
    (finding,) = found(habits, NAME)
    assert finding.severity == "error"
    assert "holds 2 tensors that no model uses" in finding.saw


def test_layers_in_a_plain_list_are_named_where_they_are_built():
    (finding,) = found(holding(0, None, 0, each={"registered": [True, False, True]}), NAME)
    assert finding.severity == "error"
    assert finding.where.line == 51
    assert "ModuleList" in finding.fix


@pytest.mark.parametrize(("received", "fires"), [(3, True), (2, False), (0, False)])
def test_only_weights_with_gradients_count(received, fires):
    # EMA copies and teachers get none
    assert bool(found(holding(0, 0, None, each={"received": [9, 9, received]}), NAME)) == fires


def test_weights_that_are_frozen_or_unused_are_silent():
    assert found(holding(0, 0, None, each={"trainable": [True, True, False]}), NAME) == []
    assert found(holding(0, 0, None, each={"used_by": ["linear", "linear#2", ""]}), NAME) == []


def test_before_any_step_nothing_is_said():
    assert found(holding(0, 0, None, optimizers=[optimizer()]), NAME) == []


def test_a_network_that_only_judges_is_silent():
    judge = {"name": "VGG", "training_calls": 0, "evaluation_calls": 9}
    of = holding(0, 0, None, models=[*MODELS, judge])
    of.loop.parameters[2].name = "VGG.linear.weight"
    assert found(of, NAME) == []
    judge["training_calls"] = 9
    assert len(found(of, NAME)) == 1


def test_a_forgotten_second_model():
    of = holding(0, 0, None, models=[*MODELS, {"name": "Decoder", "training_calls": 9}])
    of.loop.parameters[2].name = "Decoder.linear.weight"
    (finding,) = found(of, NAME)
    assert finding.severity == "error"
    assert "first.parameters()" in finding.fix


def test_loops_that_optimise_an_input_are_silent():
    of = holding(None, None, None)
    picture = parameter("picture", (1, 3, 8, 8), registered=False, used_by="conv")
    of.loop.parameters.append(picture)
    assert found(of, NAME) == []
    # all tensors of a model that was replaced: used by nothing
    of.loop.parameters[-1].used_by = ""
    assert found(of, NAME)[0].severity == "error"


def test_a_perturbation_moved_by_hand_is_silent():
    of = holding(0, 0, 0, manual_updates=True)
    delta = parameter("delta", (1, 8), registered=False, optimizer=None, used_by="linear")
    of.loop.parameters.append(delta)
    assert found(of, NAME) == []
    of.loop.manual_updates = False
    assert len(found(of, NAME)) == 1


def test_an_empty_optimizer_ends_the_script():
    error = {"text": "optimizer got an empty parameter list", "file": "train.py", "line": 40}
    (finding,) = found(record(loop(step=0, exception=error)), NAME)
    assert finding.where.line == 40


# no-gradient

CUT = graph(linear(8, 8), op("detach"), linear(8, 8), "relu", linear(8, 4), "cross_entropy")
MISSED = {"received": [0, 10, 10], "missing": [10, 0, 0]}


def test_weights_behind_a_cut():
    (finding,) = found(holding(0, 0, 0, net=CUT, each=MISSED), "no-gradient")
    assert finding.severity == "error"
    assert finding.where.line == 12
    assert finding.where.parameter == "linear.weight"
    assert "`detach`" in finding.saw


def test_weights_under_no_grad_are_named_where_they_are_used():
    (finding,) = found(holding(0, 0, 0, each=MISSED), "no-gradient")
    assert finding.where.line == 11


@pytest.mark.parametrize(("watched", "fires"), [(5, True), (4, False)])
def test_missing_gradients_are_waited_for(watched, fires):
    each = {"received": [0, 9, 9], "missing": [watched, 0, 0], "watched": [watched, 9, 9]}
    assert bool(found(holding(0, 0, 0, each=each), "no-gradient")) == fires


def test_gradients_now_and_then_are_healthy():
    each = {"received": [1, 10, 10], "missing": [9, 0, 0]}
    assert found(holding(0, 0, 0, each=each), "no-gradient") == []


def test_what_no_optimizer_holds_may_go_without():
    assert found(holding(None, 0, 0, each=MISSED), "no-gradient") == []
    frozen = {**MISSED, "trainable": [False, True, True]}
    assert found(holding(0, 0, 0, each=frozen), "no-gradient") == []


def test_weights_that_stand_still_on_purpose_are_a_warning():
    code_book = holding(0, 0, 0, each=MISSED, manual_updates=True)
    assert found(code_book, "no-gradient")[0].severity == "warning"
    backbone = holding(0, 0, 0, each=MISSED)
    backbone.batches += [batch(0, training=False)]
    assert found(backbone, "no-gradient")[0].severity == "warning"


ZERO = {"received": [0, 10, 10], "missing": [0, 0, 0]}


def test_gradients_of_zero():
    flat = graph(linear(8, 8), "round", linear(8, 8), "relu", linear(8, 4), "cross_entropy")
    (finding,) = found(holding(0, 0, 0, net=flat, each=ZERO), "no-gradient")
    assert "derivative of `round`" in finding.saw
    assert finding.where.line == 12


def test_zero_gradients_are_waited_for_and_left_to_dead_units():
    few = {**ZERO, "watched": [9, 9, 9]}
    assert found(holding(0, 0, 0, each=few), "no-gradient") == []
    dead = holding(0, 0, 0, each=ZERO)
    dead.signals.append(signals("relu", dead_fraction=0.95))
    assert found(dead, "no-gradient") == []
    bias = holding(0, 0, 0, each={**ZERO, "shape": [[8], [8, 8], [8, 8]]})
    assert found(bias, "no-gradient") == []  # before a norm


UNUSED = {"received": [10, 0, 10], "missing": [0, 20, 0], "used_by": ["linear", "", "linear#3"]}


def test_a_layer_forward_forgets():
    of = holding(0, 0, 0, each={**UNUSED, "watched": [20, 20, 20]})
    (finding,) = found(of, "no-gradient")
    assert finding.severity == "warning"
    assert finding.where.line == 51
    assert found(holding(0, 0, 0, each={**UNUSED, "watched": [9, 9, 9]}), "no-gradient") == []


def test_heads_left_aside_are_a_note():
    of = holding(0, 0, 0, each={**UNUSED, "watched": [20, 20, 20]})
    of.loop.parameters[1].name = "aux.weight"
    assert found(of, "no-gradient")[0].severity == "note"
    last = {**UNUSED, "used_by": ["linear", "linear#2", ""], "received": [9, 9, 0]}
    of = holding(0, 0, 0, each={**last, "watched": [20, 20, 20]})
    assert found(of, "no-gradient")[0].severity == "note"


def test_a_loss_that_needs_no_gradient_ends_the_script():
    error = {
        "text": "element 0 of tensors does not require grad and does not have a grad_fn",
        "file": "train.py",
        "line": 40,
    }
    (finding,) = found(record(loop(step=0, exception=error)), "no-gradient")
    assert finding.where.line == 40
    passed = graph(linear(8, 4), "argmax", "mse_loss", kind="evaluation")
    (finding,) = found(record(passed, loop(step=0, exception=error)), "no-gradient")
    assert finding.where.line == 12
    assert "`argmax`" in finding.saw


# eval-mode-training

ON = {"norms": 2, "norms_training": 2, "dropouts": 1, "dropouts_training": 1}
OFF = {"norms": 2, "norms_training": 0, "dropouts": 1, "dropouts_training": 0}


def norm_net(**norm):
    norm = {"training": False, "frozen": False, **norm}
    return graph(linear(8, 8), op("batch_norm", **norm), "relu", linear(8, 4), "cross_entropy")


def modes(*training, net=None, held=0, counts=OFF, trainable=True):
    passes = [
        batch(step, training=on, modes=dict(ON if on else counts), model="Net")
        for step, on in enumerate(training)
    ]
    weights = [parameter(f"{n}.weight", optimizer=held, trainable=trainable) for n in "abc"]
    weights.append(parameter("head.weight", optimizer=held))
    habits = loop(optimizers=[one()], parameters=weights, models=MODELS)
    return record(net or norm_net(), passes, habits)


def test_training_in_evaluation_mode():
    (finding,) = found(modes(False, False, False), "eval-mode-training")
    assert finding.severity == "error"
    assert finding.step == 0
    assert finding.where.line == 5
    assert "never was in training mode" in finding.saw


def test_left_in_evaluation_mode():
    (finding,) = found(modes(True, True, False, False, False), "eval-mode-training")
    assert finding.step == 2
    assert "until step 1" in finding.saw


@pytest.mark.parametrize(
    "training", [(True, True, True), (False, False), (False, False, True), (True, False, False)]
)
def test_three_steps_in_a_row_are_needed(training):
    assert found(modes(*training), "eval-mode-training") == []


def test_modes_counted_on_some_steps_only():
    of = modes(False, False, False, False, False)
    for light in of.batches[1:]:
        light.modes = {}
    assert len(found(of, "eval-mode-training")) == 1


def test_frozen_norms_are_silent():
    off = (False, False, False)
    assert found(modes(*off, net=norm_net(frozen=True)), "eval-mode-training") == []
    # norms set one by one: the model itself is in training mode
    of = modes(True, True, True)
    for passed in of.batches:
        passed.modes = dict(OFF)
    assert found(of, "eval-mode-training") == []


def test_dropout_of_a_frozen_backbone_is_silent():
    rows = (linear(8, 8), op("dropout", p=0.5, training=False), linear(8, 4), "cross_entropy")
    assert len(found(modes(False, False, False, net=graph(*rows)), "eval-mode-training")) == 1
    of = modes(False, False, False, net=graph(*rows), trainable=False)
    assert found(of, "eval-mode-training") == []
    none = (linear(8, 8), op("dropout", p=0.0, training=False), linear(8, 4), "cross_entropy")
    assert found(modes(False, False, False, net=graph(*none)), "eval-mode-training") == []


def test_layer_norms_are_the_same_in_both_modes():
    rows = (linear(8, 8), "layer_norm", linear(8, 4), "cross_entropy")
    counts = {"norms": 1, "norms_training": 0, "dropouts": 0, "dropouts_training": 0}
    of = modes(False, False, False, net=graph(*rows), counts=counts)
    assert found(of, "eval-mode-training") == []


def test_networks_nobody_trains_are_silent():
    assert found(modes(False, False, False, held=None), "eval-mode-training") == []


def test_passes_of_both_kinds_in_a_step_are_silent():
    of = modes(False, False, False)  # an attack in evaluation mode, then training
    of.batches += [batch(step, training=True, modes=dict(ON), model="Net") for step in range(3)]
    assert found(of, "eval-mode-training") == []


def test_passes_without_gradients_are_no_training():
    of = modes(False, False, False)
    for passed in of.batches:
        passed.grad_enabled = False
    assert found(of, "eval-mode-training") == []


# train-mode-evaluation


def evaluated(*passes, net=None, **fields):
    fields = {"evaluation_runs": 2, "evaluation_runs_training": 2, **fields}
    return record(net or norm_net(), passes, loop(evaluation_where=at(60), **fields))


def view(name="x", step=10, training=True, counts=ON):
    return batch(step, "evaluation", training=training, modes=dict(counts), fingerprint=name)


def test_evaluation_in_training_mode():
    (finding,) = found(evaluated(view("a"), view("b")), "train-mode-evaluation")
    assert finding.severity == "error"
    assert finding.where.line == 60
    assert "2 norms" in finding.saw


@pytest.mark.parametrize(
    ("runs", "training", "finished", "fires"),
    [(1, 1, False, False), (1, 1, True, True), (2, 2, False, True), (8, 3, True, True)],
)
def test_evaluations_are_counted(runs, training, finished, fires):
    of = evaluated(
        view(), evaluation_runs=runs, evaluation_runs_training=training, finished=finished
    )
    assert bool(found(of, "train-mode-evaluation")) == fires


def test_mostly_in_evaluation_mode_is_silent():
    off = [view(name, training=False, counts=OFF) for name in "cd"]
    assert found(evaluated(view("a"), *off), "train-mode-evaluation") == []
    assert len(found(evaluated(view("a"), view("b"), off[0]), "train-mode-evaluation")) == 1


def test_picture_by_picture_is_known_by_what_is_made_of_the_outputs():
    fields = {"evaluation_runs": 1, "evaluation_runs_training": 0, "finished": True}
    scored = graph(linear(8, 8), op("batch_norm", training=True), "argmax", kind="evaluation")
    assert len(found(evaluated(view("a"), net=scored, **fields), "train-mode-evaluation")) == 1
    # pictures a generator draws, statistics of norms renewed
    drawn = graph(linear(8, 8), op("batch_norm", training=True), "tanh", kind="evaluation")
    assert found(evaluated(view("a"), net=drawn, **fields), "train-mode-evaluation") == []


def test_passes_that_are_meant_are_silent():
    name = "train-mode-evaluation"
    # Monte Carlo dropout, by modules or by one batch passed again and again
    only_dropout = {"norms": 2, "norms_training": 0, "dropouts": 1, "dropouts_training": 1}
    assert found(evaluated(view("a", training=False, counts=only_dropout)), name) == []
    assert found(evaluated(view("a"), view("a"), view("a")), name) == []
    # the batch that was just trained on
    assert found(evaluated(view("train 3"), batch(3)), name) == []
    # what only has layer norms
    plain = graph(linear(8, 8), "layer_norm", linear(8, 4), "cross_entropy")
    assert found(evaluated(view("a"), net=plain), name) == []


def test_evaluation_with_gradients_on_is_known_by_its_runs():
    assert len(found(evaluated(batch(0, modes=dict(ON))), "train-mode-evaluation")) == 1


# dropout-at-eval


def dropping(*views, name="dropout", **fields):
    fields = {"p": 0.5, "training": True, "functional": True, **fields}
    made = graph(linear(8, 8), op(name, **fields), linear(8, 4), kind="evaluation", step=10)
    return record(made, views)


def test_functional_dropout_in_evaluation_mode():
    (finding,) = found(dropping(module_training=False), "dropout-at-eval")
    assert finding.severity == "warning"
    assert finding.where.line == 12
    assert "50%" in finding.saw


def test_dropout_built_in_forward():
    fields = {"functional": False, "module_training": True}
    off = {"dropouts": 0, "dropouts_training": 0}
    assert len(found(dropping(view(training=False, counts=off), **fields), "dropout-at-eval")) == 1
    # put back by hand: Monte Carlo dropout
    on = {"dropouts": 1, "dropouts_training": 1}
    assert found(dropping(view(training=False, counts=on), **fields), "dropout-at-eval") == []
    # the whole model is in training mode: train-mode-evaluation
    assert found(dropping(view(training=True, counts=on), **fields), "dropout-at-eval") == []


@pytest.mark.parametrize("fields", [{"training": False}, {"p": 0.0}])
def test_dropout_that_drops_nothing_is_silent(fields):
    assert found(dropping(**{"module_training": False, **fields}), "dropout-at-eval") == []


def test_sampling_with_functional_dropout_is_silent():
    views = [view("a", training=False, counts={}) for _ in range(3)]
    assert found(dropping(*views, module_training=False), "dropout-at-eval") == []
    assert len(found(dropping(*views[:2], module_training=False), "dropout-at-eval")) == 1


@pytest.mark.parametrize(("rate", "fires"), [(0.1, True), (0.0, False)])
def test_dropout_of_an_attention(rate, fires):
    made = graph(op("attention", dropout_p=rate), linear(8, 4), kind="evaluation", step=10)
    of = record(made, view(training=False, counts={}))
    assert bool(found(of, "dropout-at-eval")) == fires


# graph-retained


@pytest.mark.parametrize(
    ("step", "retained", "backwards", "fires"),
    [
        (8, 6, 8, True),
        (10, 5, 10, False),
        (200, 39, 200, True),
        (10, 6, 80, False),  # eight losses a step, those of the last one kept
        (10, 16, 80, True),
    ],
)
def test_losses_kept_with_their_graph(step, retained, backwards, fires):
    habits = loop(step=step, retained_losses=retained, backwards=backwards, retained_where=at(33))
    findings = found(record(habits), "graph-retained")
    assert bool(findings) == fires
    if fires:
        assert findings[0].where.line == 33
        assert findings[0].severity == "warning"
