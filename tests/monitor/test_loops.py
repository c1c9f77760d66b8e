"""The loop's habits: accumulation, GANs, closures and evaluation are told from faults."""

from __future__ import annotations

import copy
import os
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from monitor.watched import watch

torch.manual_seed(0)
X = torch.randn(96, 6)
Y = (X[:, 0] > 0).long()


def net():
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, 2))


def loop(zero="start", accumulate=1, steps=8, optimizer=torch.optim.SGD):
    def work():
        model = net()
        opt = optimizer(model.parameters(), lr=0.01)
        for i in range(steps * accumulate):
            if zero == "start" and i % accumulate == 0:
                opt.zero_grad()
            loss = F.cross_entropy(model(X[:32]), Y[:32]) / accumulate
            if zero == "inside":
                opt.zero_grad()
            loss.backward()
            if zero == "between":
                opt.zero_grad()
            if (i + 1) % accumulate == 0:
                opt.step()

    return work


@pytest.mark.parametrize("set_to_none", [True, False])
def test_gradients_never_zeroed_are_stale(set_to_none):
    line = watch(loop(zero="never")).loop.optimizers[0]
    assert line.watched >= 5
    assert line.stale == line.watched - 1

    def zeroing():
        model = net()
        opt = torch.optim.Adam(model.parameters())
        for _ in range(6):
            F.cross_entropy(model(X), Y).backward()
            opt.step()
            opt.zero_grad(set_to_none=set_to_none)

    assert watch(zeroing).loop.optimizers[0].stale == 0


def test_accumulation_is_neither_stale_nor_wiped():
    line = watch(loop(accumulate=4)).loop.optimizers[0]
    assert (line.stale, line.wiped, line.wiped_inside) == (0, 0, 0)
    assert line.backwards_per_step == 4


def test_wiped_between_backward_and_step_and_inside_an_accumulation():
    assert watch(loop(zero="between")).loop.optimizers[0].wiped >= 5
    line = watch(loop(zero="inside", accumulate=3)).loop.optimizers[0]
    assert line.wiped == 0
    assert line.wiped_inside >= 5


def test_a_gan_is_healthy():
    def work():
        g, d = nn.Linear(4, 6), nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1))
        opt_g, opt_d = (torch.optim.Adam(m.parameters(), lr=1e-3) for m in (g, d))
        for _ in range(6):
            fake = g(torch.randn(16, 4))
            opt_d.zero_grad()
            real_loss = F.binary_cross_entropy_with_logits(d(X[:16]), torch.ones(16, 1))
            fake_loss = F.binary_cross_entropy_with_logits(d(fake.detach()), torch.zeros(16, 1))
            (real_loss + fake_loss).backward()
            opt_d.step()
            opt_g.zero_grad()
            F.binary_cross_entropy_with_logits(d(fake), torch.ones(16, 1)).backward()
            opt_g.step()

    record = watch(work)
    assert len(record.loop.optimizers) == 2
    for line in record.loop.optimizers:
        assert (line.stale, line.wiped, line.wiped_inside) == (0, 0, 0)
        assert line.steps == 6
    assert record.loop.evaluation_runs == 0
    assert all(p.received == p.watched for p in record.loop.parameters if p.trainable)


def test_two_backwards_with_weights_moved_between_are_no_wipe():
    def work():  # sharpness-aware minimisation
        model = net()
        opt = torch.optim.SGD(model.parameters(), lr=0.01)
        for _ in range(6):
            F.cross_entropy(model(X), Y).backward()
            with torch.no_grad():
                moves = [0.01 * p.grad for p in model.parameters()]
                for p, move in zip(model.parameters(), moves):
                    p.add_(move)
            opt.zero_grad()
            F.cross_entropy(model(X), Y).backward()
            with torch.no_grad():
                for p, move in zip(model.parameters(), moves):
                    p.sub_(move)
            opt.step()
            opt.zero_grad()

    line = watch(work).loop.optimizers[0]
    assert (line.stale, line.wiped, line.wiped_inside) == (0, 0, 0)


def test_closures_are_followed():
    def work():
        model = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 2))
        opt = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3)

        def closure():
            opt.zero_grad()
            loss = F.cross_entropy(model(X), Y)
            loss.backward()
            return loss

        for _ in range(3):
            opt.step(closure)

    record = watch(work)
    line = record.loop.optimizers[0]
    assert line.closure
    assert (line.steps, line.stale, line.wiped, line.wiped_inside) == (3, 0, 0, 0)
    assert record.graphs
    assert all(signals.values["update_ratio"] > 0 for signals in record.parameter_signals)


@pytest.mark.parametrize("clears", [True, False])
def test_gradients_made_in_a_closure_are_measured(clears):
    def work():
        model = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 2))
        opt = torch.optim.SGD(model.parameters(), lr=0.1)

        def closure():
            if clears:
                opt.zero_grad()
            loss = F.cross_entropy(model(X), Y)
            loss.backward()
            return loss

        for _ in range(6):
            opt.step(closure)

    record = watch(work)
    line = record.loop.optimizers[0]
    assert (line.stale > 0) is not clears
    assert record.parameter_signals[-1].values["grad_rms"] > 0
    assert record.parameter_signals[-1].values["update_ratio"] > 0


def test_evaluation_is_told_from_training_with_its_scores():
    data = DataLoader(TensorDataset(X, Y), batch_size=32)

    def work(model, evaluate):
        opt = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(3):
            for x, y in data:
                opt.zero_grad()
                F.cross_entropy(model(x), y).backward()
                opt.step()
            if evaluate:
                model.eval()
            with torch.no_grad():
                for x, y in data:
                    (model(x).argmax(1) == y).sum().item()
            model.train()

    for evaluate in (True, False):
        model = net()
        record = watch(lambda: work(model, evaluate))  # noqa: B023
        assert record.loop.evaluation_runs == 3
        assert record.loop.evaluation_runs_training == (0 if evaluate else 3)
        assert len(record.epochs) == 3
        with torch.no_grad():
            accuracy = float((model.eval()(X).argmax(1) == Y).float().mean())
        if evaluate:
            assert record.epochs[-1].val_accuracy == pytest.approx(accuracy, abs=1e-6)
        kinds = {batch.kind for batch in record.batches}
        assert kinds == {"train", "evaluation"}


def test_left_in_evaluation_mode_is_training_all_the_same():
    def work():
        model = net().eval()
        opt = torch.optim.SGD(model.parameters(), lr=0.01)
        for _ in range(6):
            opt.zero_grad()
            F.cross_entropy(model(X), Y).backward()
            opt.step()

    record = watch(work)
    assert record.loop.evaluation_runs == 0
    batches = [batch for batch in record.batches if batch.kind == "train"]
    assert len(batches) >= 5
    assert not any(batch.training for batch in batches)


def test_losses_kept_with_their_graph():
    kept = []

    def work():
        model = net()
        opt = torch.optim.SGD(model.parameters(), lr=0.01)
        total = 0
        for _ in range(12):
            opt.zero_grad()
            loss = F.cross_entropy(model(X), Y)
            loss.backward()
            opt.step()
            total += loss
            kept.append(loss.item())

    assert watch(work).loop.retained_losses >= 5
    assert watch(loop(steps=12)).loop.retained_losses == 0


def test_schedules_and_loaders_are_counted():
    def work():
        model = net()
        opt = torch.optim.SGD(model.parameters(), lr=1.0)
        schedule = torch.optim.lr_scheduler.StepLR(opt, step_size=2, gamma=0.1)
        data = DataLoader(TensorDataset(X, Y), batch_size=32, shuffle=True)
        for _ in range(2):
            for x, y in data:
                opt.zero_grad()
                F.cross_entropy(model(x), y).backward()
                opt.step()
                schedule.step()

    found = watch(work).loop
    (schedule,) = found.schedulers
    assert (schedule.steps, schedule.optimizer_steps) == (6, 6)
    assert schedule.arguments["step_size"] == 2
    assert schedule.last_lr == pytest.approx(1e-3)
    (loader,) = found.loaders
    assert (loader.num_batches, loader.iterations, loader.kind) == (3, 2, "train")
    assert loader.sampler == "RandomSampler"


def test_the_same_batches_again_are_noticed():
    def epochs(order):
        def work():
            model = net()
            opt = torch.optim.SGD(model.parameters(), lr=0.01)
            for epoch in range(4):
                for i in order(epoch):
                    opt.zero_grad()
                    F.cross_entropy(model(X[i : i + 16]), Y[i : i + 16]).backward()
                    opt.step()

        return work

    found = watch(epochs(lambda epoch: range(0, 96, 16))).loop
    assert found.batch_period == 6
    assert found.periods_seen == pytest.approx(4, abs=0.5)
    shuffled = watch(epochs(lambda epoch: [(5 * i + 3 * epoch) % 80 for i in range(6)])).loop
    assert shuffled.batch_period == 0


def test_torch_is_as_before():
    before = {
        name: vars(owner)[name]
        for owner, name in (
            (nn.Module, "__call__"), (nn.Module, "__init__"), (torch.Tensor, "backward"),
            (torch.autograd, "backward"), (F, "cross_entropy"), (DataLoader, "__iter__"),
            (torch.optim.Optimizer, "zero_grad"), (torch, "compile"),
        ) if name in vars(owner)
    }  # fmt: skip
    watch(loop())
    for owner, name in ((nn.Module, "__call__"), (nn.Module, "__init__"), (F, "cross_entropy")):
        assert vars(owner)[name] is before[name]
    assert torch._C._len_torch_function_stack() == 0


def test_models_stay_what_they_were():
    model = net()

    def work():
        opt = torch.optim.SGD(model.parameters(), lr=0.01)
        F.cross_entropy(model(X), Y).backward()
        opt.step()
        copy.deepcopy(model)
        pickle.dumps(model.state_dict())
        pickle.dumps(model)

    watch(work)
    assert not model._forward_hooks
    assert not model._forward_pre_hooks
    assert set(vars(model)) == set(vars(net()))


def test_weights_and_random_numbers_are_bit_identical():
    def work():
        torch.manual_seed(7)
        model = net()
        opt = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(25):
            rows = torch.randperm(96)[:32]
            opt.zero_grad()
            F.cross_entropy(model(X[rows]), Y[rows]).backward()
            opt.step()
        results.append([p.detach().clone() for p in model.parameters()] + [torch.rand(3)])

    results = []
    work()
    watch(work)
    for plain, watched in zip(*results, strict=True):
        assert torch.equal(plain, watched)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_says_nothing():
    def work():
        model = net()
        opt = torch.optim.SGD(model.parameters(), lr=0.01)
        data = DataLoader(TensorDataset(X, Y), batch_size=32, num_workers=2)
        for x, y in data:
            opt.zero_grad()
            F.cross_entropy(model(x), y).backward()
            opt.step()

    assert watch(work).loop.step == 3


def test_scaled_losses_are_told_unscaled():
    def work():
        model = net()
        opt = torch.optim.SGD(model.parameters(), lr=0.01)
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        for _ in range(3):
            opt.zero_grad()
            loss = ((model(X) - 1) ** 2).mean()
            losses.append(loss.item())
            scaler.scale(loss).backward()
            scaler.step(opt)
            scaler.update()

    losses: list[float] = []
    record = watch(work)
    assert [step.loss for step in record.steps] == pytest.approx(losses)
    assert record.loop.gradient_scaler


@pytest.mark.parametrize("clear", [True, False])
def test_gradients_never_cleared_by_hand_are_stale(clear):
    def work():
        w = torch.randn(6, 2, requires_grad=True)
        for _ in range(10):
            F.cross_entropy(X @ w, Y).backward()
            with torch.no_grad():
                w -= 0.01 * w.grad
            if clear:
                w.grad = None

    (line,) = watch(work).loop.optimizers
    assert line.name == "manual"
    assert line.watched >= 7
    assert line.stale == (0 if clear else line.watched)


def test_a_second_phase_is_watched_from_its_beginning():
    def work():
        model = net()
        for _ in range(2):
            opt = torch.optim.SGD(model.parameters(), lr=0.01)
            for _ in range(40):
                opt.zero_grad()
                F.cross_entropy(model(X), Y).backward()
                opt.step()

    steps = {line.step for line in watch(work, period=0).parameter_signals}
    assert {41, 42} <= steps


def test_a_criterion_counts_in_evaluations_nobody_watches():
    criterion = nn.CrossEntropyLoss()

    def work():
        model = net()
        opt = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(6):
            opt.zero_grad()
            criterion(model(X), Y).backward()
            opt.step()
            model.eval()
            with torch.no_grad():
                sums.append(sum(criterion(model(X[i : i + 12]), Y[i : i + 12]).item() / 8
                                for i in range(0, 96, 12)))  # fmt: skip
            model.train()

    sums: list[float] = []
    record = watch(work)
    assert [epoch.val_loss for epoch in record.epochs] == pytest.approx(sums, rel=1e-5)


def test_labels_of_two_tasks_are_not_mixed():
    def work():
        body, first, second = nn.Linear(6, 8), nn.Linear(8, 5), nn.Linear(8, 1)
        model = nn.ModuleDict({"body": body, "first": first, "second": second})
        opt = torch.optim.SGD(model.parameters(), lr=0.1)

        class Both(nn.Module):
            def __init__(self):
                super().__init__()
                self.parts = model

            def forward(self, x):
                h = torch.relu(body(x))
                return first(h), second(h).squeeze(1)

        net = Both()
        for _ in range(12):
            many, two = net(X)
            loss = F.cross_entropy(many, torch.arange(96) % 5)
            loss = loss + F.binary_cross_entropy_with_logits(two, Y.float())
            opt.zero_grad()
            loss.backward()
            opt.step()

    batches = [batch for batch in watch(work, period=4).batches if batch.labels]
    assert len(batches) > 3
    assert all(set(batch.labels) == set(range(5)) for batch in batches)
