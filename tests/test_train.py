import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from steadygrad.errors import InputError
from steadygrad.images.randomness import derived_seed
from steadygrad.optim import OPTIMIZERS
from steadygrad.record import Recipe
from steadygrad.schedules import SCHEDULES, multiplier
from steadygrad.train import Diverged, cross_entropy, start, train
from steadygrad.training_state import LowResolution, balanced_weights, shrink
from training_helpers import Digits, PlainBatches, SmallClassifier, same_tensors

RECIPE = Recipe(seed=3, epochs=2, lr=0.05, optimizer="nesterov", weight_decay=1e-3)


@pytest.fixture(scope="module")
def digits():
    return Digits(0, 256)


def begin(digits, recipe, **options):
    batches = PlainBatches(digits, seed=recipe.seed, mixed=options.pop("mixed", False))
    return start(SmallClassifier(digits, **options), recipe, len(batches)), batches


def test_weights_are_those_of_a_loop_written_out(digits):
    """Against the textbook loop: torch's own SGD, the schedule by hand, no code of ours."""
    recipe = RECIPE.replace(schedule="cosine", warmup=0.25, label_smoothing=0.1)
    state, batches = begin(digits, recipe, dropout=0.0)
    steps = list(train(state, batches, recipe))

    model = SmallClassifier(digits, dropout=0.0).to(memory_format=torch.channels_last)
    decay = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": decay, "weight_decay": 1e-3}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=0.05, momentum=0.9, nesterov=True)
    total = 2 * len(batches)
    for step in range(total):
        batch = batches.batch(*divmod(step, len(batches)))
        rate = 0.05 * multiplier("cosine", (step + 0.5) / total, 0.25)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = F.cross_entropy(model(batch.images), batch.targets, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert steps[step].loss == pytest.approx(float(loss.detach()), rel=1e-4)
        assert steps[step].lr == pytest.approx(rate)
    for (name, ours), theirs in zip(state.classifier.named_parameters(), model.parameters()):
        assert torch.allclose(ours, theirs, atol=1e-4), name


def test_steps_are_counted_and_timed(digits):
    state, batches = begin(digits, RECIPE)
    steps = list(train(state, batches, RECIPE))
    assert [step.step for step in steps] == list(range(1, 17))
    assert [step.epoch for step in steps] == [0] * 8 + [1] * 8
    assert all(step.num_images == 32 for step in steps)
    assert all(step.compute_seconds > 0 and step.data_seconds > 0 for step in steps)
    assert all(step.grad_norm is None for step in steps)
    assert state.progress == 1.0
    assert list(train(state, batches, RECIPE)) == []


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimizer_learns_digits(digits, name):
    recipe = Recipe(epochs=20, optimizer=name)
    state, batches = begin(digits, recipe)
    losses = [step.loss for step in train(state, batches, recipe)]
    assert sum(losses[-5:]) / 5 < 0.8 * losses[0]


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_every_schedule_runs_and_no_rate_is_zero(digits, name):
    recipe = RECIPE.replace(schedule=name, warmup=0.2)
    state, batches = begin(digits, recipe)
    rates = [step.lr for step in train(state, batches, recipe)]
    assert min(rates) > 0
    assert max(rates) <= recipe.lr * (1 + 1e-9)


def test_stopping_and_going_on_in_one_process_changes_nothing(digits):
    """Break anywhere, draw random numbers, evaluate: the rest comes out the same, bit for bit."""
    recipe = RECIPE.replace(average_decay=0.9)
    whole, batches = begin(digits, recipe, mixed=True)
    for _ in train(whole, batches, recipe):
        pass
    parts, batches = begin(digits, recipe, mixed=True)
    while parts.steps_left:
        for step in train(parts, batches, recipe):
            torch.rand(7)
            if step.step % 3 == 0:
                break
    assert same_tensors(whole.classifier.state_dict(), parts.classifier.state_dict()) == []
    assert same_tensors(whole.average.tensors, parts.average.tensors) == []


def test_dropout_depends_on_seed_and_step_only(digits):
    losses = []
    for seed in (3, 3, 4):
        recipe = RECIPE.replace(seed=seed, epochs=1)
        state, _ = begin(digits, recipe, dropout=0.5)
        batches = PlainBatches(digits, seed=0)
        torch.manual_seed(len(losses))
        losses.append([step.loss for step in train(state, batches, recipe)])
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]
    assert derived_seed(3, "dropout", 1) != derived_seed(3, "dropout", 2)


def test_changing_the_length_under_way_keeps_the_rate_continuous(digits):
    recipe = Recipe(epochs=4, lr=0.1, optimizer="sgd", schedule="linear")
    for new_total in (20, 60):
        state, batches = begin(digits, recipe)
        rates = []
        for step in train(state, batches, recipe):
            rates.append(step.lr)
            if step.step == 12:
                state.total_steps = new_total
        assert len(rates) == new_total
        drops = [a - b for a, b in pairwise(rates)]
        assert drops[:11] == pytest.approx([0.1 / 32] * 11)
        later = 0.1 * (20 / 32) / (new_total - 12)
        assert drops[12:] == pytest.approx([later] * (new_total - 13))
        # where the plan changes, half a step of each slope
        assert drops[11] == pytest.approx((0.1 / 32 + later) / 2)
        assert rates[-1] == pytest.approx(later / 2)


def test_a_loss_that_is_no_number_stops_before_the_update(digits):
    state, batches = begin(digits, RECIPE, dropout=0.0)
    running = train(state, batches, RECIPE)
    for _ in range(4):
        next(running)
    with torch.no_grad():
        state.classifier.network.head.bias[0] = math.inf
    before = {name: p.detach().clone() for name, p in state.classifier.named_parameters()}
    with pytest.raises(Diverged, match="in step 5") as caught:
        next(running)
    assert caught.value.step == 5
    assert state.step == 4
    assert same_tensors(before, dict(state.classifier.named_parameters())) == []


def test_a_rate_far_too_high_diverges_with_advice(digits):
    recipe = Recipe(epochs=30, lr=1e20, optimizer="sgd", schedule="constant", weight_decay=0.0)
    state, batches = begin(digits, recipe)
    with pytest.raises(Diverged, match="smaller --lr"):
        for _ in train(state, batches, recipe):
            pass


def test_clipping_limits_the_update_and_reports_the_norm_before(digits):
    recipe = Recipe(epochs=1, lr=0.1, optimizer="sgd", schedule="constant", clip_norm=0.01)
    recipe = recipe.replace(weight_decay=0.0)
    state, batches = begin(digits, recipe)
    before = {name: p.detach().clone() for name, p in state.classifier.named_parameters()}
    step = next(train(state, batches, recipe))
    moved = sum(
        float((p.detach() - before[name]).square().sum())
        for name, p in state.classifier.named_parameters()
    )
    assert step.grad_norm > 0.01
    assert moved**0.5 == pytest.approx(0.1 * 0.01, rel=1e-3)


def test_class_weights_by_hand_for_labels_and_for_mixed_targets():
    weights = balanced_weights([60, 30, 10, 0])
    assert weights.tolist() == pytest.approx([100 / 180, 100 / 90, 100 / 30, 1.0])
    logits = torch.randn(5, 4, dtype=torch.float64)
    labels = torch.tensor([0, 2, 2, 1, 0])
    log = logits.log_softmax(dim=1)
    smooth = 0.1
    expected = 0.0
    for row, label in enumerate(labels.tolist()):
        target = torch.full((4,), smooth / 4, dtype=torch.float64)
        target[label] += 1 - smooth
        expected += float(weights[label]) * float(-(target * log[row]).sum()) / 5
    found = cross_entropy(logits, labels, smooth, weights.double())
    assert float(found) == pytest.approx(expected)
    soft = F.one_hot(labels, 4).double()
    assert float(cross_entropy(logits, soft, smooth, weights.double())) == pytest.approx(expected)
    plain = cross_entropy(logits, soft, smooth, None)
    assert float(plain) == pytest.approx(float(cross_entropy(logits, labels, smooth, None)))


def test_balanced_weights_reach_the_loss(digits):
    recipe = Recipe(epochs=1, optimizer="sgd", lr=0.01, class_weights="balanced")
    counts = [200, *[20] * 9]
    batches = PlainBatches(digits)
    state = start(SmallClassifier(digits, dropout=0.0), recipe, len(batches), counts)
    step = next(train(state, batches, recipe))
    twin = SmallClassifier(digits, dropout=0.0)
    batch = batches.batch(0, 0)
    losses = F.cross_entropy(twin(batch.images), batch.targets, reduction="none")
    expected = (losses * balanced_weights(counts)[batch.targets]).mean()
    assert step.loss == pytest.approx(float(expected.detach()), rel=1e-5)
    with pytest.raises(InputError, match="pictures per class"):
        start(SmallClassifier(digits), recipe, len(batches))


def test_bf16_trains_in_bf16_and_keeps_fp32_weights(digits):
    recipe = RECIPE.replace(precision="bf16", epochs=4)
    state, batches = begin(digits, recipe)
    seen = []
    conv = state.classifier.network.body[3]
    hook = conv.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    losses = [step.loss for step in train(state, batches, recipe)]
    hook.remove()
    assert set(seen) == {torch.bfloat16}
    assert all(p.dtype == torch.float32 for p in state.classifier.parameters())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", ["channels_last", "contiguous"])
def test_the_memory_layout_asked_for_is_used(digits, name):
    recipe = RECIPE.replace(memory_format=name, epochs=1)
    state, batches = begin(digits, recipe)
    layout = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}[name]
    seen = []
    conv = state.classifier.network.body[3]
    conv.register_forward_hook(
        lambda module, inputs, output: seen.append(output.is_contiguous(memory_format=layout))
    )
    next(train(state, batches, recipe))
    assert seen == [True]
    assert conv.weight.is_contiguous(memory_format=layout)


class BigPictures(PlainBatches):
    def batch(self, epoch, step):
        taken = super().batch(epoch, step)
        taken.images = F.interpolate(taken.images, size=(32, 32))
        return taken


def test_early_epochs_see_smaller_pictures(digits):
    recipe = RECIPE.replace(low_resolution=0.5)
    batches = BigPictures(digits)
    classifier = SmallClassifier(digits)
    classifier.preprocess.shape = (1, 32, 32)
    state = start(classifier, recipe, len(batches))
    sides = []
    state.classifier.network.register_forward_pre_hook(
        lambda module, inputs: sides.append(tuple(inputs[0].shape[2:]))
    )
    for _ in train(state, batches, recipe):
        pass
    assert sides == [(24, 24)] * 8 + [(32, 32)] * 8


def test_lower_resolution_is_refused_where_the_network_has_one_size(digits):
    classifier = SmallClassifier(digits)
    classifier.preprocess.shape = (1, 32, 32)
    classifier.network = nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, 10))
    with pytest.raises(InputError, match="--low-resolution 0"):
        start(classifier, RECIPE.replace(low_resolution=0.5), 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "nothing to do"),
        ({"schedule": "cosin"}, "Did you mean 'cosine'"),
        ({"optimizer": "adamm"}, "Did you mean 'adam'"),
        ({"precision": "fp8"}, "no precision 'fp8'"),
        ({"memory_format": "nchw"}, "no memory format"),
        ({"warmup": 2.0}, "--warmup is 2"),
        ({"clip_norm": 0.0}, "--clip-norm is 0"),
        ({"lr": -1.0}, "--lr is -1"),
        ({"average_decay": 1.5}, "averaging decay is 1.5"),
        ({"class_weights": "balance"}, "Did you mean 'balanced'"),
        ({"device": "gpu"}, "no device 'gpu'"),
    ],
)
def test_numbers_that_cannot_be_trained_with_are_told(digits, change, message):
    with pytest.raises(InputError, match=message):
        start(SmallClassifier(digits), RECIPE.replace(**change), 8)


def test_norms_the_user_set_to_eval_stay_so(digits):
    state, batches = begin(digits, RECIPE)
    norm = state.classifier.network.body[1].eval()
    before = norm.running_mean.clone()
    for _ in train(state, batches, RECIPE):
        pass
    assert torch.equal(norm.running_mean, before)
    assert not norm.training
    state, batches = begin(digits, RECIPE)
    state.classifier.eval()  # as a loaded classifier is
    next(train(state, batches, RECIPE))
    assert all(module.training for module in state.classifier.modules())


def test_a_reused_backbone_is_frozen_for_its_share_then_learns_slower(digits):
    recipe = RECIPE.replace(freeze=0.5, backbone_lr_factor=0.1, weight_decay=0.1)
    batches = PlainBatches(digits)
    classifier = SmallClassifier(digits)
    body = classifier.network.body
    classifier.reused = {f"network.body.{n}" for n, _ in body.named_parameters()}
    state = start(classifier, recipe, len(batches))
    before = {name: tensor.clone() for name, tensor in body.state_dict().items()}
    for step in train(state, batches, recipe):
        moved = same_tensors(before, body.state_dict())
        if step.step <= 8:
            assert moved == []
        else:
            assert "0.weight" in moved
            assert "1.running_mean" in moved
        rates = {g["name"]: g["lr"] for g in state.optimizer.param_groups}
        assert rates["backbone_decay"] == pytest.approx(0.1 * rates["head"])
        assert step.lr == rates["head"]


def test_scoring_at_low_resolution_is_what_training_sees(digits):
    classifier = SmallClassifier(digits).eval()
    pixels = torch.randint(0, 256, (4, 1, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        expected = classifier.network(shrink(classifier.preprocess(pixels)))
        assert torch.equal(LowResolution(classifier)(pixels), expected)
        assert not torch.equal(classifier(pixels), expected)
