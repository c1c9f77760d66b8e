"""Augmentation: ranges, determinism, and agreement with slow obvious versions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_sample_images

from steadygrad.errors import InputError
from steadygrad.images.augment import (
    Augmentation,
    cutmix,
    erase_rectangles,
    flip_left_right,
    jitter_colour,
    mixup,
    one_hot,
    resized_crop_rotate,
    shift_and_flip,
    trivial_augment,
)
from steadygrad.images.augment.mixing import beta
from steadygrad.images.augment.trivial import OPERATIONS
from steadygrad.images.randomness import derived_seed, generator


def photos(batch=8, size=32, channels=3) -> torch.Tensor:
    """Real photo patches, (B, C, H, W) uint8 in channels_last memory."""
    china, flower = load_sample_images().images
    rng = np.random.default_rng(0)
    patches = []
    for number in range(batch):
        source = (china, flower)[number % 2]
        top = rng.integers(0, source.shape[0] - size)
        left = rng.integers(0, source.shape[1] - size)
        patches.append(source[top : top + size, left : left + size, :channels])
    return torch.from_numpy(np.stack(patches)).permute(0, 3, 1, 2)


def rng(*salt):
    return generator(0, *salt)


@pytest.mark.parametrize(("height", "width", "channels"), [(32, 32, 3), (8, 5, 1), (3, 7, 3)])
def test_shift_and_flip_equals_numpy_reflect_padding(height, width, channels):
    pixels = torch.randint(0, 256, (40, channels, height, width), dtype=torch.uint8)
    limit = min(height, width) - 1
    shift = torch.randint(-limit, limit + 1, (40, 2))
    flip = torch.rand(40) < 0.5
    moved = shift_and_flip(pixels, flip, shift)
    for picture, (down, right), mirrored, ours in zip(pixels, shift.tolist(), flip, moved):
        array = picture.numpy()
        if mirrored:
            array = array[:, :, ::-1]
        padded = np.pad(array, ((0, 0), (limit, limit), (limit, limit)), mode="reflect")
        top, left = limit - down, limit - right
        expected = padded[:, top : top + height, left : left + width]
        assert np.array_equal(ours.numpy(), expected)


def test_shift_and_flip_of_one_pixel_pictures():
    pixels = torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1)
    moved = shift_and_flip(pixels, torch.ones(4, dtype=torch.bool), torch.zeros(4, 2).long())
    assert torch.equal(moved, pixels)


def test_alternate_flip_shows_every_picture_both_ways_in_two_epochs():
    indices = torch.arange(5000)
    first, second, third = (
        flip_left_right("alternate", indices, epoch, 3, rng("x")) for epoch in (0, 1, 2)
    )
    assert torch.equal(first, ~second)
    assert torch.equal(first, third)
    assert 0.47 < first.float().mean() < 0.53
    shuffled = torch.randperm(5000)
    assert torch.equal(
        flip_left_right("alternate", indices[shuffled], 0, 3, rng("y")), first[shuffled]
    )


def test_flip_kinds():
    indices = torch.arange(4000)
    assert not flip_left_right("none", indices, 0, 0, rng()).any()
    assert 0.46 < flip_left_right("random", indices, 0, 0, rng()).float().mean() < 0.54
    with pytest.raises(InputError, match="Did you mean 'random'"):
        flip_left_right("randon", indices, 0, 0, rng())


def test_neutral_resample_is_the_identity_and_mirror_is_exact():
    pixels = photos()
    still = torch.zeros(8, dtype=torch.bool)
    same = resized_crop_rotate(pixels, still, rng())
    assert torch.allclose(same, pixels.float(), atol=2e-2)
    mirrored = resized_crop_rotate(pixels, ~still, rng())
    assert torch.allclose(mirrored, pixels.float().flip(3), atol=2e-2)


def test_rotation_by_a_quarter_turn_matches_rot90():
    from steadygrad.images.augment.geometry import warp

    pixels = photos()
    turn = torch.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]).expand(8, 2, 3)
    turned = warp(pixels, turn)
    expected = torch.rot90(pixels.float(), 1, (2, 3))
    other = torch.rot90(pixels.float(), -1, (2, 3))
    error = min((turned - expected).abs().max(), (turned - other).abs().max())
    assert error < 5e-2


@settings(max_examples=25, deadline=None)
@given(
    min_crop=st.floats(0.05, 1.0),
    rotation=st.floats(0, 180),
    colour=st.floats(0, 1),
    erasing=st.floats(0, 1),
    mix=st.floats(0, 2),
    cut=st.floats(0, 2),
    trivial=st.floats(0, 1),
    shift=st.integers(0, 12),
    channels=st.sampled_from([1, 3]),
    size=st.sampled_from([1, 2, 8, 17]),
    seed=st.integers(0, 10),
)
def test_any_combination_stays_in_range_and_repeats(
    min_crop, rotation, colour, erasing, mix, cut, trivial, shift, channels, size, seed
):
    augment = Augmentation(
        flip="random",
        shift=shift,
        min_crop=min_crop,
        rotation=rotation,
        colour=colour,
        erasing=erasing,
        mixup=mix,
        cutmix=cut,
        trivial=trivial,
    )
    pixels = torch.randint(0, 256, (6, channels, size, size), dtype=torch.uint8)
    labels = torch.arange(6) % 3
    indices = torch.arange(6)
    before = pixels.clone()

    def once():
        random = generator(seed, "a")
        return augment(pixels, labels, indices, epoch=1, rng=random, num_classes=3)

    images, targets = once()
    again, targets_again = once()
    assert torch.equal(images, again)
    assert torch.equal(targets, targets_again)
    assert torch.equal(pixels, before)
    assert images.shape == pixels.shape
    assert images.float().min() >= -1e-3
    assert images.float().max() <= 255.001
    if targets.dim() == 2:
        assert torch.allclose(targets.sum(1), torch.ones(6), atol=1e-5)


def test_nothing_asked_for_changes_nothing():
    pixels, labels = photos(), torch.arange(8)
    images, targets = Augmentation()(pixels, labels, labels, epoch=0, rng=rng(), num_classes=8)
    assert images.dtype == torch.uint8
    assert torch.equal(images, pixels)
    assert torch.equal(targets, labels)


def test_colour_matches_the_operations_one_after_the_other():
    pixels = photos(4)
    random = rng("c")
    ours = jitter_colour(pixels, random, 0.4)
    random = rng("c")
    b, c, s = (torch.rand(4, generator=random) * 0.8 + 0.6 for _ in range(3))
    luminance = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    for number in range(4):
        picture = pixels[number].double()
        gray = (picture * luminance).sum(0, keepdim=True)
        picture = s[number] * picture + (1 - s[number]) * gray
        picture = picture * b[number]
        mean = (picture * luminance).sum(0).mean()
        picture = (c[number] * picture + (1 - c[number]) * mean).clamp(0, 255)
        assert torch.allclose(ours[number].double(), picture, atol=1e-2)


def test_erasing_covers_what_the_paper_says():
    pixels = torch.rand(400, 3, 32, 32) * 255
    erased = erase_rectangles(pixels, rng("e"), 1.0)
    share = (erased != pixels).any(1).float().mean((1, 2))
    assert share.min() >= 0.01
    assert share.max() <= 0.36
    untouched = erase_rectangles(pixels, rng("e"), 0.0)
    assert torch.equal(untouched, pixels)


def test_mixup_and_cutmix_keep_the_label_mass_they_show():
    pixels = torch.zeros(64, 1, 16, 16)
    pixels[:32] = 255.0
    targets = one_hot((torch.arange(64) >= 32).long(), 2)
    for mixing in (mixup, cutmix):
        mixed, labels = mixing(pixels, targets, rng("m"), 1.0)
        # Class 0 is white: the share of white in the picture is the mass on class 0.
        assert torch.allclose(mixed.mean((1, 2, 3)) / 255, labels[:, 0], atol=1e-4)
        assert ((labels > 0.01) & (labels < 0.99)).any()


def test_beta_has_its_mean_and_variance():
    for alpha in (0.2, 1.0, 4.0):
        draws = beta(rng("b"), 40000, alpha).double()
        assert abs(draws.mean() - 0.5) < 0.01
        assert abs(draws.var() - 1 / (4 * (2 * alpha + 1))) < 0.01


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_trivial_operation_keeps_shape_and_is_finite(name, channels):
    pixels = photos(6, channels=channels).float()
    strength = torch.linspace(-1, 1, 6)
    changed = OPERATIONS[name](pixels.clone(), strength)
    assert changed.shape == pixels.shape
    assert torch.isfinite(changed).all()
    flat = OPERATIONS[name](torch.full((2, channels, 4, 4), 7.0), torch.tensor([0.5, -0.5]))
    assert torch.isfinite(flat).all()


def test_equalize_and_autocontrast_equal_pillow():
    from PIL import Image, ImageOps

    pixels = photos(4, size=256)
    for name, reference in (
        ("equalize", ImageOps.equalize),
        ("autocontrast", ImageOps.autocontrast),
    ):
        ours = OPERATIONS[name](pixels.float(), torch.zeros(4))
        for number in range(4):
            picture = Image.fromarray(pixels[number].permute(1, 2, 0).contiguous().numpy())
            theirs = torch.from_numpy(np.array(reference(picture))).permute(2, 0, 1)
            error = (ours[number] - theirs).abs()
            # Pillow equalizes with integer steps; a few levels apart is the same operation.
            assert error.mean() < 4


def test_trivial_share():
    pixels = photos(64)
    changed = trivial_augment(pixels, rng("t"), 0.5)
    moved = (changed != pixels).flatten(1).any(1).float().mean()
    assert 0.25 < moved < 0.6


def test_derived_seeds_differ():
    seeds = {derived_seed(seed, "order", epoch) for seed in range(30) for epoch in range(30)}
    assert len(seeds) == 900
    assert derived_seed(0, "order", 1) != derived_seed(0, "augment", 1)
