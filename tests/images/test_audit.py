"""The audit: broken files, exact and near duplicates, leakage, classes."""

import io
import json
import os

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from steadygrad.images import duplicates
from steadygrad.images.audit import MAX_GROUPS, MAX_MEMBERS, Audit, audit
from steadygrad.images.cache import Cache, FileInfo, decode_all
from steadygrad.images.duplicates import (
    area_average,
    candidate_pairs,
    exact_groups,
    join,
    near_pairs,
    unexplained_share,
)
from steadygrad.images.source import Source, open_source

SIZE = 64


def scene(seed: int, size: int = 160) -> Image.Image:
    """A picture with the spectrum of photos: clouds of noise at every scale, and some shapes."""
    rng = np.random.default_rng(seed)
    pixels = np.full((size, size, 3), 128.0)
    cells = 3
    while cells < size:
        noise = rng.normal(size=(cells, cells, 3)) * 120 / cells**0.8
        noise = noise * 0.4 + noise.mean(2, keepdims=True)
        planes = [Image.fromarray(noise[..., c].astype(np.float32)) for c in range(3)]
        pixels += np.stack([p.resize((size, size), Image.Resampling.BICUBIC) for p in planes], 2)
        cells *= 2
    for _ in range(4):
        x, y, w, h = rng.integers(0, size, 4)
        pixels[y : y + h // 3, x : x + w // 3] = rng.integers(0, 256, 3)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def stack(images) -> np.ndarray:
    resized = [im.resize((SIZE, SIZE), Image.Resampling.BOX, reducing_gap=None) for im in images]
    return np.stack([np.asarray(image) for image in resized])


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


CHANGES = {
    "re-encoded": lambda im: jpeg(im, 40),
    "re-encoded twice": lambda im: jpeg(jpeg(im, 85), 60),
    "half size": lambda im: im.resize((im.width // 2, im.height // 2), Image.Resampling.BILINEAR),
    "brighter": lambda im: ImageEnhance.Brightness(im).enhance(1.12),
    "darker": lambda im: ImageEnhance.Brightness(im).enhance(0.85),
    "cropped by 2 %": lambda im: im.crop((3, 2, im.width, im.height - 3)),
}


@pytest.fixture(scope="module")
def scenes():
    return [scene(seed) for seed in range(120)]


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found(scenes, change):
    copies = [CHANGES[change](image) for image in scenes[:20]]
    found = near_pairs(stack([*scenes, *copies]), np.arange(140)).pairs
    expected = {(index, 120 + index) for index in range(20)}
    pairs = set(map(tuple, np.sort(found, axis=1).tolist()))
    assert pairs <= expected
    assert len(pairs) >= 18


def test_different_pictures_are_no_duplicates(scenes):
    assert near_pairs(stack(scenes), np.arange(120)).pairs.shape == (0, 2)


def test_a_mirrored_or_recoloured_picture_is_no_duplicate(scenes):
    mirrored = [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in scenes[:20]]
    swapped = [Image.merge("RGB", image.split()[::-1]) for image in scenes[:20]]
    for others in (mirrored, swapped):
        assert len(near_pairs(stack([*scenes, *others]), np.arange(140)).pairs) <= 1


def test_blank_pictures_are_no_near_duplicates():
    rng = np.random.default_rng(0)
    blank = np.clip(rng.normal(200, 1, (40, SIZE, SIZE, 3)), 0, 255).astype(np.uint8)
    assert near_pairs(blank, np.arange(40)).pairs.shape == (0, 2)


def test_only_the_given_indices_are_compared(scenes):
    pixels = stack([scenes[0], *scenes, jpeg(scenes[0], 60)])
    found = near_pairs(pixels, np.arange(1, 122)).pairs
    assert np.sort(found, axis=1).tolist() == [[1, 121]]


def test_digits_and_their_enlargements_give_no_mass_groups():
    source = open_source("digits")
    assert near_pairs(source.arrays, np.arange(1797)).pairs.shape == (0, 2)
    large = np.repeat(np.repeat(source.arrays, 4, axis=1), 4, axis=2)
    result = near_pairs(large, np.arange(1797))
    assert len(result.pairs) <= 0.01 * 1797
    assert any("look alike" in note for note in result.notes)


def test_a_crowded_set_still_gives_its_re_encoded_copies():
    digits = open_source("digits").arrays
    large = np.repeat(np.repeat(digits, 4, axis=1), 4, axis=2)
    faint = np.clip(large[:30].astype(int) + np.random.default_rng(0).integers(-2, 3), 0, 255)
    pixels = np.concatenate([large, faint.astype(np.uint8)])
    found = near_pairs(pixels, np.arange(len(pixels))).pairs
    copies = {(i, 1797 + i) for i in range(30)}
    pairs = set(map(tuple, np.sort(found, axis=1).tolist()))
    assert len(copies & pairs) == 30
    assert len(pairs - copies) <= 18


def test_candidates_agree_with_comparing_all_pairs(monkeypatch):
    monkeypatch.setattr(duplicates, "TILE_ROWS", 16)
    monkeypatch.setattr(duplicates, "TILE_COLUMNS", 24)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 1, 64)) + 0.25 * rng.normal(size=(40, 5, 64))
    vectors = vectors.reshape(200, 64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    distance = ((vectors[:, None] - vectors[None]) ** 2).sum(2)
    for limit in (0.05, 0.1, 0.2):
        slow = {(i, j) for i in range(200) for j in range(i) if distance[i, j] <= limit}
        fast = candidate_pairs(vectors.astype(np.float32), limit)
        assert {(j, i) for i, j in fast.tolist()} == slow


def test_no_more_candidates_than_allowed_and_the_nearest(monkeypatch):
    monkeypatch.setattr(duplicates, "MAX_CANDIDATES", 10)
    rng = np.random.default_rng(0)
    vectors = 1 + 0.1 * rng.normal(size=(30, 64))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    pairs = candidate_pairs(vectors, 0.2)
    distance = ((vectors[:, None] - vectors[None]) ** 2).sum(2)
    nearest = np.sort(distance[np.triu_indices(30, 1)])[:10]
    kept = np.sort(distance[pairs[:, 0], pairs[:, 1]])
    np.testing.assert_allclose(kept, nearest, atol=1e-5)


def test_the_unexplained_share_is_the_residual_of_least_squares():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(2, 3, 1, 12, 12)).astype(np.float32) * 20
    target = 0.7 * source + 0.5 * target
    got = unexplained_share(source, target)
    axis = np.linspace(-1, 1, 10)
    for index in range(3):
        rows, columns = np.gradient(source[index, 0].astype(np.float64))
        rows, columns = rows[1:-1, 1:-1], columns[1:-1, 1:-1]
        terms = [source[index, 0, 1:-1, 1:-1], columns, columns * axis]
        terms += [rows, rows * axis[:, None]]
        design = np.stack([term.ravel() for term in terms], 1)
        wanted = target[index, 0, 1:-1, 1:-1].ravel().astype(np.float64)
        rest = wanted - design @ np.linalg.lstsq(design, wanted, rcond=None)[0]
        assert got[index] == pytest.approx((rest**2).sum() / (wanted**2).sum(), rel=2e-3)


@pytest.mark.parametrize(("length", "cells"), [(8, 8), (64, 24), (28, 24), (5, 8), (33, 7)])
def test_area_average_keeps_the_mean(length, cells):
    matrix = area_average(length, cells)
    np.testing.assert_allclose(matrix.sum(1), 1, rtol=1e-6)
    if length % cells == 0:
        np.testing.assert_allclose(matrix.mean(0), 1 / length, rtol=1e-6)
    image = np.random.default_rng(0).random(length)
    fine = np.repeat(image, cells * 10).reshape(cells, -1).mean(1)
    np.testing.assert_allclose(matrix @ image, fine, atol=1e-6)


def test_exact_groups_by_bytes_or_by_pixels_of_the_same_size():
    pixels = np.zeros((6, 4, 4, 1), np.uint8)
    pixels[1], pixels[4], pixels[5] = 7, 9, 9
    keys = [("a", 9, 9), ("a", 9, 9), ("b", 9, 9), ("c", 8, 9), ("", 4, 4), ("", 4, 4)]
    # 0 = 1 by bytes, 0 = 2 by pixels; 3 has the pixels of 0 but another size; "" is no digest.
    assert exact_groups(pixels, keys).tolist() == [0, 0, 0, 3, 4, 4]
    assert exact_groups(pixels, [None] * 6).tolist() == list(range(6))


def test_join_follows_chains_in_any_order():
    pairs = np.array([[4, 5], [0, 1], [5, 1], [2, 3]])
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        assert join(7, pairs[order]).tolist() == [0, 0, 2, 2, 0, 0, 6]


@pytest.fixture
def folder(tmp_path, scenes):
    """Two classes, given splits; copies across splits and labels; three broken files."""
    places = {
        "train/cat": range(0, 8),
        "train/dog": range(8, 16),
        "test/cat": range(16, 20),
        "test/dog": range(20, 24),
    }
    for place, indices in places.items():
        (tmp_path / place).mkdir(parents=True)
        for index in indices:
            scenes[index].save(tmp_path / place / f"{index}.png")
    scenes[0].save(tmp_path / "test/cat/copy of 0.png")  # exact, same label
    jpeg(scenes[1], 50).save(tmp_path / "test/cat/near 1.png")  # near, across splits
    scenes[8].save(tmp_path / "train/cat/label.bmp")  # same pixels, other bytes, other label
    jpeg(scenes[2], 40).save(tmp_path / "train/cat/near 2.jpg")  # near, same split
    (tmp_path / "train/cat/empty.jpg").write_bytes(b"")
    (tmp_path / "train/dog/text.jpg").write_text("not a picture")
    whole = (tmp_path / "train/cat/3.png").read_bytes()
    (tmp_path / "test/dog/cut.png").write_bytes(whole[: len(whole) // 2])
    return tmp_path


def audited(folder, **changes) -> Audit:
    source = open_source(str(folder))
    return audit(source, decode_all(source, SIZE, 3, "squash", cache_dir=folder.parent / "cache"))


def test_audit_of_a_folder(folder):
    found = audited(folder)
    broken = {row["name"]: row["reason"] for row in found.broken}
    assert set(broken) == {"train/cat/empty.jpg", "train/dog/text.jpg", "test/dog/cut.png"}
    assert all(broken.values())
    assert found.exact_duplicates == [
        ["test/cat/copy of 0.png", "train/cat/0.png"],
        ["train/cat/label.bmp", "train/dog/8.png"],
    ]
    assert found.near_duplicates == [
        ["test/cat/near 1.png", "train/cat/1.png"],
        ["train/cat/2.png", "train/cat/near 2.jpg"],
    ]
    assert found.across_splits == [found.exact_duplicates[0], found.near_duplicates[0]]
    assert found.conflicting_labels == [found.exact_duplicates[1]]
    assert found.leaked == {"test": {"exact": 1, "near": 1, "pictures": 10}}
    assert found.class_counts == {
        "train": {"cat": 10, "dog": 8},
        "test": {"cat": 6, "dog": 4},
    }
    assert found.missing_classes == {}
    assert found.sizes["max"] == [160, 160]
    assert found.formats == {"PNG": 26, "BMP": 1, "JPEG": 1}
    assert found.modes == {"RGB": 28}
    assert found.usable.sum() == 28
    assert json.loads(json.dumps(found.to_dict()))["num_broken"] == 3


def test_classes_missing_in_a_split_are_named(folder):
    (folder / "test/horse").mkdir()
    scene(900).save(folder / "test/horse/1.png")
    assert audited(folder).missing_classes == {"train": ["horse"]}


def test_groups_are_equal_numbers_for_copies_only(folder):
    found = audited(folder)
    names = open_source(str(folder)).names
    number = dict(zip(names, found.groups.tolist()))
    assert number["train/cat/0.png"] == number["test/cat/copy of 0.png"]
    assert number["train/cat/1.png"] == number["test/cat/near 1.png"]
    assert len(set(number.values())) == len(names) - 4


def fake(num: int, digests: list[str], splits: list[str] | None = None, labels=None):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (num, 8, 8, 1), dtype=np.uint8)
    source = Source(
        name="fake",
        root=None,
        classes=("a", "b"),
        names=[f"{index:05}" for index in range(num)],
        labels=np.zeros(num, np.int64) if labels is None else np.asarray(labels),
        splits=splits or [""] * num,
        arrays=pixels,
    )
    files = [
        FileInfo(name, digest, 64, "PNG", "L", 8, 8) for name, digest in zip(source.names, digests)
    ]
    return audit(source, Cache(pixels, files, "f"))


def test_long_lists_are_cut_and_counted():
    many = MAX_GROUPS + 10
    values = fake(2 * many, [str(index // 2) for index in range(2 * many)]).to_dict()
    assert values["num_exact_duplicates"] == many
    assert len(values["exact_duplicates"]) == MAX_GROUPS
    values = fake(300, ["same"] * 300).to_dict()
    assert [len(group) for group in values["exact_duplicates"]] == [MAX_MEMBERS]


def test_a_val_picture_leaks_from_train_and_a_test_picture_from_both():
    splits = ["train", "val", "val", "test", "test", ""]
    found = fake(6, ["a", "a", "b", "b", "c", "c"], splits)
    # Where some splits are given, the rest is for training: the last picture is.
    assert found.leaked["val"] == {"exact": 1, "near": 0, "pictures": 2}
    assert found.leaked["test"] == {"exact": 2, "near": 0, "pictures": 2}
    assert found.class_counts["train"] == {"a": 2, "b": 0}
    assert found.missing_classes == {"train": ["b"], "val": ["b"], "test": ["b"]}


def test_unlabelled_pictures_conflict_with_nothing_and_are_counted():
    found = fake(4, ["a", "a", "b", "b"], labels=[0, -1, 0, 1])
    assert found.conflicting_labels == [["00002", "00003"]]
    assert found.num_unlabelled == 1
    assert found.class_counts == {"all": {"a": 2, "b": 1}}


REAL = os.environ.get("STEADYGRAD_DATA")


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="needs STEADYGRAD_DATA")
@pytest.mark.parametrize(
    ("name", "exact", "conflicts", "near"),
    [("flowers-128", 6, 4, 18), ("trashnet-small", 3, 3, 30), ("caltech101-20", 0, 0, 11)],
)
def test_real_photos(tmp_path, name, exact, conflicts, near):
    source = open_source(os.path.join(REAL, name))
    found = audit(source, decode_all(source, 128, 3, "squash", cache_dir=tmp_path))
    assert len(found.exact_duplicates) == exact
    assert len(found.conflicting_labels) == conflicts
    assert abs(len(found.near_duplicates) - near) <= 3
