import math
import random

import pytest

from steadygrad.search.guard import Guard


def ended_at(losses):
    guard = Guard()
    return next((i for i, loss in enumerate(losses, 1) if guard.see(loss)), None)


@pytest.mark.parametrize("growth", [1.6, 2.0, 10.0])
def test_a_loss_that_runs_away_ends_the_trial_within_5_batches_of_passing_3_times(growth):
    losses = [2.3 * growth**batch for batch in range(40)]
    passed = next(i for i, loss in enumerate(losses, 1) if loss > 3 * losses[0])
    assert passed <= ended_at(losses) <= passed + 4


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_no_number_ends_it_at_once(bad):
    assert ended_at([2.3, 2.2, bad, 2.0]) == 3


def test_200_good_curves_live():
    """Noisy falling losses, warm-up bumps to 2.5 times the first, single batches at 20 times."""
    for seed in range(200):
        draw = random.Random(seed)
        first, speed, noise = draw.uniform(0.5, 7), draw.uniform(0.01, 0.2), draw.uniform(0, 0.35)
        losses = []
        for batch in range(400):
            level = first * math.exp(-speed * batch / 4)
            bump = 1.5 * first * math.exp(-(((batch - 15) / 6) ** 2)) * (seed % 4 == 0)
            spike = 20.0 if draw.random() < 0.02 else 1.0
            losses.append((level + bump) * math.exp(noise * draw.gauss(0, 1)) * spike)
        losses[0] = first
        assert ended_at(losses) is None, seed


def test_a_resumed_trial_is_held_to_its_own_first_loss():
    guard = Guard(first=2.0)
    assert [bool(guard.see(7.0)) for _ in range(5)] == [False] * 4 + [True]


def test_a_trial_that_learned_nothing_is_flat_and_one_that_did_is_not():
    flat, learning = Guard(), Guard()
    for batch in range(60):
        flat.see(2.3)
        learning.see(2.3 - 0.01 * batch)
    assert flat.is_flat
    assert not learning.is_flat
