"""Preprocessing against slow float64 versions, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.torch import load, save
from sklearn.datasets import load_digits

from steadygrad.errors import InputError
from steadygrad.preprocess import PREPROCESS, Preprocess, check_preprocess, statistics

NAMES = tuple(PREPROCESS)
PER_PIXEL = ("mean-image", "pca", "pca-whiten", "zca-whiten")
WHITENED = ("pca-whiten", "zca-whiten")


def photos(num: int = 40, side: int = 8, channels: int = 3) -> np.ndarray:
    """Smooth pictures of unlike channels, (N, H, W, C) uint8."""
    generator = np.random.default_rng(7)
    coarse = generator.normal(size=(num, 3, 3, channels)) * [60, 30, 12][:channels]
    fine = np.repeat(np.repeat(coarse, 3, axis=1), 3, axis=2)[:, :side, :side]
    noise = generator.normal(scale=6, size=(num, side, side, channels))
    return np.clip(fine + noise + [120, 90, 160][:channels], 0, 255).astype(np.uint8)


def as_tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def slow(name: str, train: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """The textbook formula on whole float64 arrays, (N, C, H, W)."""
    train = train.astype(np.float64).transpose(0, 3, 1, 2) / 255
    x = pixels.astype(np.float64).transpose(0, 3, 1, 2) / 255
    if name == "none":
        return x * 255
    if name == "mean-image":
        return x - train.mean(axis=0)
    mean = train.mean(axis=(0, 2, 3), keepdims=True)
    if name == "channel-mean":
        return x - mean
    if name == "channel-mean-std":
        return (x - mean) / train.std(axis=(0, 2, 3), keepdims=True)
    if name == "minmax":
        low = train.min(axis=(0, 2, 3), keepdims=True)
        return 2 * (x - low) / (train.max(axis=(0, 2, 3), keepdims=True) - low) - 1
    return slow_whitening(name, train.reshape(len(train), -1), x)


def slow_whitening(name: str, train: np.ndarray, x: np.ndarray) -> np.ndarray:
    mean = train.mean(axis=0)
    _, values, directions = np.linalg.svd((train - mean) / np.sqrt(len(train)))
    # Fewer pictures than pixels: the remaining directions have no variance.
    variances = np.zeros(train.shape[1])
    variances[: len(values)] = values**2
    components = (x.reshape(len(x), -1) - mean) @ directions.T
    if name != "pca":
        components = components / np.sqrt(variances + statistics.WHITENING_EPSILON)
    if name == "zca-whiten":
        components = components @ directions
    return components.reshape(x.shape)


@pytest.mark.parametrize("name", NAMES)
def test_equals_the_slow_float64_version(name):
    train, other = photos(400, 6), photos(9, 6)
    expected = slow(name, train, other)
    given = Preprocess.fit(name, train)(as_tensor(other)).numpy()
    if name in ("pca", "pca-whiten"):  # the sign of a direction is a convention
        sign = np.sign((given * expected).sum(axis=0))
        expected = expected * sign
    # Whitening multiplies what float32 rounds by up to 1 / √ε = 100.
    largest = np.abs(expected).max() * (10 if name in WHITENED else 1)
    np.testing.assert_allclose(given, expected, rtol=0, atol=1e-6 * max(1, largest))


@pytest.mark.parametrize("name", NAMES)
def test_fits_only_the_rows_it_is_given_from_a_memmap_in_chunks(name, tmp_path, monkeypatch):
    monkeypatch.setattr(statistics, "_CHUNK_BYTES", 500)
    monkeypatch.setattr(statistics, "_EXACT_ROWS", 7)
    everything = photos(60)
    indices = np.random.default_rng(0).permutation(60)[:33]
    cache = np.memmap(tmp_path / "pixels", np.uint8, "w+", shape=everything.shape)
    cache[:] = everything
    cache[np.setdiff1d(np.arange(60), indices)] = 255  # a leak of these would show
    given = Preprocess.fit(name, cache, indices)
    expected = Preprocess.fit(name, everything[np.sort(indices)])
    torch.testing.assert_close(given.shift, expected.shift, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(given.scale, expected.scale, rtol=0, atol=0)
    answer, wanted = given(as_tensor(everything)), expected(as_tensor(everything))
    torch.testing.assert_close(answer, wanted, rtol=1e-4, atol=1e-3)
    assert given.num_images == 33


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fill", [0, 77, 255])
def test_constant_pixels_and_single_pictures_give_finite_numbers(name, fill):
    train = photos(20)
    train[..., 1] = fill
    train[:, 0, 0] = fill
    for pixels in (train, train[:1], np.full_like(train, fill)):
        output = Preprocess.fit(name, pixels)(as_tensor(pixels))
        assert torch.isfinite(output).all()
        if name not in ("none", "pca", "pca-whiten", "zca-whiten"):
            assert output[:, 1].abs().max() < 1e-6  # a constant channel is centred


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_layouts_and_types_of_input_give_the_same_float32(name, channels):
    train = photos(channels=channels)
    preprocess = Preprocess.fit(name, train)
    view = as_tensor(train[:5])
    assert view.is_contiguous(memory_format=torch.channels_last)
    outputs = [preprocess(view), preprocess(view.contiguous()), preprocess(view.float())]
    assert outputs[0].is_contiguous(memory_format=torch.channels_last)
    assert outputs[1].is_contiguous()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs.append(preprocess(view))
    for output in outputs:
        assert output.dtype == torch.float32
        torch.testing.assert_close(output, outputs[0], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_invert_gives_the_pixels_back(name):
    train = photos(60)
    preprocess = Preprocess.fit(name, train)
    back = preprocess.invert(preprocess(as_tensor(train)))
    torch.testing.assert_close(back, as_tensor(train).float(), rtol=0, atol=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_loaded_answers_bit_for_bit(name):
    fitted = Preprocess.fit(name, photos())
    loaded = Preprocess.from_dict(fitted.to_dict())
    loaded.load_state_dict(load(save(fitted.state_dict())))
    pixels = as_tensor(photos(3))
    assert torch.equal(loaded(pixels), fitted(pixels))
    assert loaded.to_dict() == fitted.to_dict()


@pytest.mark.parametrize("name", WHITENED)
def test_whitened_training_pixels_are_uncorrelated_with_unit_variance(name):
    digits = load_digits().images[:, 2:6, 2:6, None]
    train = (digits * 15.9).astype(np.uint8)
    whitened = Preprocess.fit(name, train, epsilon=1e-9)(as_tensor(train)).flatten(1)
    covariance = torch.cov(whitened.T.double(), correction=0)
    torch.testing.assert_close(covariance, torch.eye(16).double(), rtol=0, atol=1e-3)


def test_pca_orders_its_outputs_by_variance_and_keeps_distances():
    train = photos(200, 5)
    output = Preprocess.fit("pca", train)(as_tensor(train))
    assert output.shape == (200, 3, 5, 5)
    variances = output.flatten(1).var(dim=0)
    assert (variances.diff() <= 1e-6).all()
    flat, pixels = output.flatten(1).double(), as_tensor(train).flatten(1).double() / 255
    distances = torch.cdist(flat, flat)
    torch.testing.assert_close(distances, torch.cdist(pixels, pixels), rtol=1e-3, atol=1e-3)


def test_zca_stays_closest_to_the_picture():
    preprocess = Preprocess.fit("zca-whiten", photos(300, 6))
    matrix = preprocess.matrix
    assert matrix is not None
    torch.testing.assert_close(matrix, matrix.T)
    assert torch.linalg.eigvalsh(matrix.double()).min() > 0


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(
        np.uint8,
        st.tuples(st.integers(1, 6), st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 3])),
    )
)
def test_channel_statistics_are_exact_on_any_pictures(pixels):
    output = Preprocess.fit("channel-mean-std", pixels)(as_tensor(pixels)).double()
    exact = pixels.astype(np.float64).std(axis=(0, 1, 2))
    for channel, deviation in enumerate(exact):
        values = output[:, channel]
        # float32 keeps 7 digits of pixel / deviation, which is large where the deviation is small.
        tolerance = 1e-6 * (1 + 255 / (deviation or 255))
        assert abs(float(values.mean())) <= tolerance
        assert float(values.std(correction=0)) == pytest.approx(float(deviation > 0), abs=tolerance)


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.uint8, (4, 3, 3, 3)))
def test_minmax_reaches_from_minus_one_to_one(pixels):
    output = Preprocess.fit("minmax", pixels)(as_tensor(pixels))
    assert -1 - 1e-5 <= output.min() <= output.max() <= 1 + 1e-5


def test_other_channels_are_refused():
    preprocess = Preprocess.fit("channel-mean", photos())
    with pytest.raises(InputError, match=r"\(N, 3, H, W\); got \(2, 1, 8, 8\)"):
        preprocess(torch.zeros(2, 1, 8, 8))
    with pytest.raises(InputError, match=r"got \(3, 8, 8\)"):
        preprocess(torch.zeros(3, 8, 8))


@pytest.mark.parametrize("name", NAMES)
def test_other_sizes_are_refused_where_pixels_have_their_own_statistics(name):
    preprocess = Preprocess.fit(name, photos(side=8))
    pixels = torch.zeros(2, 3, 8, 9, dtype=torch.uint8)
    if name in PER_PIXEL:
        with pytest.raises(InputError, match="8×8 pictures; got 8×9"):
            preprocess(pixels)
    else:
        assert preprocess(pixels).shape == pixels.shape


@pytest.mark.parametrize("name", ["pca", "pca-whiten", "zca-whiten"])
def test_too_many_pixels_for_whitening_says_what_to_type(name):
    with pytest.raises(InputError, match=r"--image-size 36"):
        Preprocess.fit(name, photos(4, 1).repeat(37, 1).repeat(37, 2))
    check_preprocess(name, (3, 36, 36))
    check_preprocess("mean-image", (3, 500, 500))


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 8, 8, 3), np.float32),
        np.zeros((8, 8, 3), np.uint8),
        [[1, 2]],
    ],
)
def test_only_uint8_pictures_are_fitted(pixels):
    with pytest.raises(InputError, match="uint8 pixels"):
        Preprocess.fit("channel-mean", pixels)


def test_no_picture_and_no_such_name():
    with pytest.raises(InputError, match="no training picture"):
        Preprocess.fit("channel-mean", photos(), np.empty(0, np.int64))
    with pytest.raises(InputError, match="'channel-mean-std'"):
        Preprocess.fit("channel-mean-sd", photos())


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (torch.rand(2, 3, 8, 8), "leave out ToTensor"),
        (torch.randn(2, 3, 8, 8), "expected 0–255"),
        (torch.full((2, 3, 8, 8), 65535.0), "expected 0–255"),
        (torch.full((2, 3, 8, 8), float("nan")), "nan"),
    ],
)
def test_check_finds_pixels_that_were_scaled_already(pixels, words):
    with pytest.raises(InputError, match=words):
        Preprocess.fit("channel-mean-std", photos()).check(pixels)


def test_check_accepts_pixels():
    preprocess = Preprocess.fit("channel-mean-std", photos())
    preprocess.check(as_tensor(photos()))
    preprocess.check(as_tensor(photos()).float() * 0.97)
    preprocess.check(torch.zeros(2, 3, 8, 8))  # black
    preprocess.check(torch.zeros(0, 3, 8, 8))


@pytest.mark.parametrize(
    "values",
    [{}, {"name": "pca"}, {"name": "none", "shape": [3, 8]}, {"name": "none", "shape": "??"}],
)
def test_damaged_descriptions_are_refused(values):
    with pytest.raises(InputError, match="damaged"):
        Preprocess.from_dict(values)
