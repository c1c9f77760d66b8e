"""Batches: every picture once an epoch, a function of (seed, epoch, step), no tiny last one."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steadygrad.errors import InputError
from steadygrad.images.augment import Augmentation
from steadygrad.images.batches import Batches, batch_bounds
from steadygrad.images.dataset import load_images

AUGMENT = Augmentation(
    flip="alternate", shift=1, min_crop=0.5, rotation=10, colour=0.2, erasing=0.5, mixup=0.4
)


@pytest.fixture(scope="module")
def digits():
    return load_images("digits").train


def batches_of(digits, seed=0, size=64, augment=AUGMENT):
    return Batches(digits, size, seed=seed, augment=augment, num_classes=10)


@given(st.integers(2, 5000), st.integers(2, 700))
def test_bounds_cover_everything_and_leave_no_tiny_batch(num_images, batch_size):
    bounds = batch_bounds(num_images, batch_size)
    sizes = np.diff(bounds)
    assert bounds[0] == 0
    assert bounds[-1] == num_images
    assert (sizes >= min(2, num_images)).all()
    assert len(sizes) == 1 or sizes.min() >= 0.25 * batch_size
    assert sizes.max() < 1.25 * batch_size + 2


def test_every_epoch_has_every_picture_once_in_another_order(digits):
    batches = batches_of(digits)
    orders = []
    for epoch in (0, 1):
        seen = torch.cat([batches.batch(epoch, step).indices for step in range(len(batches))])
        assert sorted(seen.tolist()) == sorted(digits.indices.tolist())
        orders.append(seen)
    assert not torch.equal(*orders)


def test_a_batch_is_the_same_whenever_and_by_whomever_it_is_asked_for(digits):
    ours, theirs = batches_of(digits), batches_of(digits)
    torch.manual_seed(1)
    forward = [ours.batch(epoch, step) for epoch in (0, 1) for step in (0, 3, 7)]
    torch.manual_seed(2)
    backward = [theirs.batch(epoch, step) for epoch in (1, 0) for step in (7, 3, 0)][::-1]
    for first, second in zip(forward, backward):
        assert torch.equal(first.images, second.images)
        assert torch.equal(first.targets, second.targets)
        assert torch.equal(first.indices, second.indices)


def test_asking_draws_nothing_from_the_global_generator(digits):
    before = torch.get_rng_state()
    batches_of(digits).batch(0, 0)
    assert torch.equal(before, torch.get_rng_state())


def test_the_seed_changes_order_and_noise(digits):
    first, second = batches_of(digits, seed=0).batch(0, 0), batches_of(digits, seed=1).batch(0, 0)
    assert not torch.equal(first.indices, second.indices)


def test_plain_batches_are_the_pictures_themselves(digits):
    batches = batches_of(digits, augment=Augmentation())
    batch = batches.batch(0, 2)
    assert batch.images.dtype == torch.uint8
    rows = np.searchsorted(digits.indices, batch.indices.numpy())
    expected = digits.take(rows)
    assert np.array_equal(batch.images.permute(0, 2, 3, 1).numpy(), expected)
    assert np.array_equal(batch.targets.numpy(), digits.labels_of(rows))


def test_one_picture_is_too_few(digits):
    lonely = type(digits)(digits.pixels, digits.labels, digits.indices[:1], 10)
    with pytest.raises(InputError, match="at least 2"):
        batches_of(lonely)
