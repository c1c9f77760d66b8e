import numpy as np
import pytest
import torch

from steadygrad.lab import optimizers as experiment
from steadygrad.lab import update_rules
from steadygrad.lab.framework import run_experiment
from steadygrad.lab.landscapes import (
    Path,
    best_sgd_rate,
    best_walk,
    decay_factor,
    heavy_ball_factor,
    noisy_spread,
    noisy_walk,
    predicted_spread,
    ravine,
    rotated,
    sgd_steps,
    walk,
)
from steadygrad.lab.update_rules import RULES, adam_start, largest_difference, uncorrected_start


def gradients(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(60, 5, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", RULES)
def test_the_library_is_the_formula(name, seed):
    assert largest_difference(name, gradients(seed)) < 1e-12


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("nesterov", lambda lr: update_rules.momentum(lr)),
        ("adam", lambda lr: update_rules.adam(lr, corrected=False)),
        ("rmsprop", update_rules.adagrad),
    ],
)
def test_another_formula_is_noticed(name, wrong, monkeypatch):
    monkeypatch.setitem(RULES, name, wrong)
    assert largest_difference(name, gradients(0)) > 1e-3
    assert not all(verdict.holds for verdict in experiment.formula_verdicts(gradients(0)))


def test_rates_of_quadratic_bowls():
    assert all(verdict.holds for verdict in experiment.rate_verdicts(30.0))
    assert best_sgd_rate(9.0) == 0.2
    assert sgd_steps(9.0, 0.8**2) == pytest.approx(1.0)
    assert heavy_ball_factor(1.0, 1.0, momentum=0.81) == pytest.approx(0.9)
    assert heavy_ball_factor(1.0, 0.5, momentum=0.0) == pytest.approx(0.5)
    path = Path("sgd", 0.1, np.zeros((9, 2)), [0.5 ** (2 * step) for step in range(9)], None)
    assert decay_factor(path, 2) == pytest.approx(0.5)


def test_walks_stop_where_they_should():
    bowl = ravine(1.0)
    assert walk("sgd", 0.5, bowl, (1.0, 0.0), 0.5 * 0.25**2, 50).arrived == 2
    assert walk("sgd", 0.001, bowl, (1.0, 0.0), 1e-9, 5).arrived is None
    diverging = walk("sgd", 5.0, bowl, (1.0, 0.0), 1e-9, 1000)
    assert diverging.arrived is None
    assert len(diverging.points) < 20
    best = best_walk("sgd", (5.0, 1.0, 0.1), bowl, (1.0, 1.0), 1e-9, 50)
    assert (best.lr, best.arrived) == (1.0, 1)
    nowhere = best_walk("sgd", (5.0, 0.01, 0.001), bowl, (1.0, 1.0), 1e-9, 20)
    assert (nowhere.lr, nowhere.arrived) == (0.01, None)  # the one that ends lowest


def test_a_noisy_walk_goes_on_after_it_arrived():
    path = noisy_walk("sgd", 0.1, (2.0, 1.5), 0.5, 100, 0)
    assert len(path.points) == 101
    assert np.linalg.norm(path.points[path.arrived]) < 0.5
    assert all(np.linalg.norm(path.points[: path.arrived], axis=1) >= 0.5)
    assert noisy_walk("sgd", 1e-6, (2.0, 1.5), 0.5, 20, 0).arrived is None


def test_turned_landscapes_have_the_same_heights():
    at = torch.tensor([0.6, 0.8], dtype=torch.float64)
    turned = rotated(ravine(7.0), 90.0)
    assert float(turned(at)) == pytest.approx(float(ravine(7.0)(torch.stack([at[1], -at[0]]))))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_noise_leaves_the_variance_of_theory(seed):
    spreads = {
        "sgd": noisy_spread("sgd", 0.1, 1.0, 2048, 200, seed),
        "momentum": noisy_spread("momentum", 0.1, 1.0, 2048, 200, seed),
    }
    assert all(verdict.holds for verdict in experiment.noise_verdicts(spreads, 2048))
    spreads["momentum"] = spreads["sgd"]
    assert not all(verdict.holds for verdict in experiment.noise_verdicts(spreads, 2048))
    assert predicted_spread(0.1, 2.0) == pytest.approx(4 * predicted_spread(0.1, 1.0))


def test_adam_starts_at_one_rate_only_when_corrected():
    assert adam_start(3, corrected=True) == pytest.approx([1.0, 1.0, 1.0], rel=1e-6)
    plain = adam_start(50, corrected=False)
    assert plain == pytest.approx([uncorrected_start(step) for step in range(1, 51)], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_verdicts_hold(seed):
    finished = run_experiment(experiment.EXPERIMENT, {"seed": seed}, quick=True)
    assert finished.failed == []
    assert set(finished.result.figures) == {"ravine", "saddle", "noise", "start"}
