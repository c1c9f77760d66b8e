"""load_images: DATA in, subsets ready to train on out."""

import numpy as np
import pytest
from PIL import Image

from steadygrad.errors import InputError, SteadygradError
from steadygrad.images.dataset import (
    audit_data,
    choose_channels,
    choose_size,
    load_images,
)
from steadygrad.images.decode import Header
from steadygrad.images.source import Source
from steadygrad.record import Recipe


def write(path, seed, size=(40, 40), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    data = tmp_path / "photos"
    for label, name in enumerate(("cat", "dog", "horse")):
        for index in range(20):
            write(data / name / f"{index}.png", 100 * label + index)
    return data


@pytest.fixture
def load(tmp_path):
    def call(data, **values):
        options = {key: values.pop(key) for key in list(values) if key == "allow_broken"}
        return load_images(str(data), Recipe(**values), cache_dir=tmp_path / "cache", **options)

    return call


def test_a_folder_becomes_three_subsets(folder, load):
    images = load(folder)
    assert (images.size, images.channels, images.how) == (32, 3, "squash")
    assert images.classes == ("cat", "dog", "horse")
    assert {name: len(part) for name, part in images.subsets().items()} == {
        "train": 43,
        "val": 5,
        "test": 12,
    }
    assert images.test.class_counts().tolist() == [4, 4, 4]
    assert images.train.class_counts().dtype == np.int64


def test_take_copies_pictures_by_position(folder, load):
    part = load(folder, image_size=40).val
    taken = part.take([1, 0, 1])
    assert taken.shape == (3, 40, 40, 3)
    assert taken.dtype == np.uint8
    assert type(taken) is np.ndarray
    assert taken.flags.writeable
    labels = part.labels_of(np.array([1, 0, 1]))
    names = ("cat", "dog", "horse")
    for pixels, label, index in zip(taken, labels, part.indices[[1, 0, 1]]):
        name = load(folder).source.names[index]
        with Image.open(folder / name) as image:
            assert (np.asarray(image) == pixels).all()
        assert name.startswith(names[label])
    taken[:] = 0
    assert part.take([0]).any()
    assert part.take([]).shape == (0, 40, 40, 3)


def test_gray_files_give_one_channel(tmp_path, load):
    for index in range(12):
        write(tmp_path / "gray" / "ab"[index % 2] / f"{index}.png", index, mode="L")
    assert load(tmp_path / "gray").channels == 1
    assert load(tmp_path / "gray", channels=3).channels == 3
    write(tmp_path / "gray" / "a" / "colour.png", 99)
    assert load(tmp_path / "gray").channels == 3


@pytest.mark.parametrize(
    ("shorter", "expected"), [(20, 32), (40, 32), (41, 48), (100, 96), (112, 112), (3000, 112)]
)
def test_size_follows_the_median_shorter_side(shorter, expected):
    source = Source("s", None, ("a", "b"), [], np.zeros(0, np.int64), [])
    headers = [Header("PNG", "RGB", 5000, side) for side in (shorter, 1, 9000)]
    assert choose_size(source, headers) == expected


def test_arrays_keep_their_own_size():
    for side, expected in ((8, 8), (28, 28), (600, 112)):
        arrays = np.zeros((2, side, side, 1), np.uint8)
        source = Source("s", None, ("a", "b"), ["0", "1"], np.arange(2), ["", ""], arrays)
        assert choose_size(source, []) == expected


def test_without_a_readable_header_there_still_is_a_size():
    source = Source("s", None, ("a", "b"), [], np.zeros(0, np.int64), [])
    assert (choose_size(source, []), choose_channels([])) == (32, 3)


def test_few_broken_files_are_left_out(folder, load):
    for index in range(3):
        (folder / "cat" / f"broken {index}.jpg").write_text("no picture")
    images = load(folder)
    assert len(images.audit.broken) == 3
    used = np.concatenate([part.indices for part in images.subsets().values()])
    names = {images.source.names[index] for index in used}
    assert len(names) == 60
    assert not any("broken" in name for name in names)


def test_many_broken_files_stop_unless_allowed(folder, load):
    for index in range(7):
        (folder / "cat" / f"broken {index}.jpg").write_text("no picture")
    with pytest.raises(InputError, match=r"7 of 67 files.*--allow-broken"):
        load(folder)
    assert len(load(folder, allow_broken=True).audit.broken) == 7


def test_exactly_a_tenth_broken_is_allowed(tmp_path, load):
    for index in range(18):
        write(tmp_path / "set" / "ab"[index % 2] / f"{index}.png", index)
    for index in range(2):
        (tmp_path / "set" / "a" / f"broken {index}.png").write_bytes(b"")
    assert len(load(tmp_path / "set").audit.broken) == 2


def test_a_class_without_training_pictures_is_refused(folder, load):
    (folder / "zebra").mkdir()
    (folder / "zebra" / "1.png").write_bytes(b"")
    with pytest.raises(InputError, match="'zebra'"):
        load(folder)


def test_a_class_only_in_test_is_refused(folder, tmp_path, load):
    data = tmp_path / "given"
    (data / "train").mkdir(parents=True)
    folder.rename(data / "train" / "moved")
    for child in (data / "train" / "moved").iterdir():
        child.rename(data / "train" / child.name)
    (data / "train" / "moved").rmdir()
    write(data / "test" / "cat" / "1.png", 900)
    write(data / "test" / "wolf" / "1.png", 901)
    with pytest.raises(InputError, match="'wolf'"):
        load(data)


def test_a_class_with_one_picture_trains_and_is_noted(folder, load):
    write(folder / "zebra" / "1.png", 901)
    images = load(folder)
    assert images.train.class_counts()[3] == 1
    assert any("zebra" in note for note in images.notes)


def test_the_split_is_that_of_the_recipe(folder, load):
    images = load(folder, seed=4, val_fraction=0.0, test_fraction=0.5)
    assert (len(images.train), len(images.val), len(images.test)) == (30, 0, 30)
    assert images.val.take([]).shape == (0, 32, 32, 3)
    other = load(folder, seed=5, val_fraction=0.0, test_fraction=0.5)
    assert images.splits["test"].tolist() != other.splits["test"].tolist()


def test_the_fingerprint_follows_content_settings_and_split(folder, load):
    first = load(folder).fingerprint
    assert first == load(folder).fingerprint
    assert first != load(folder, seed=1).fingerprint
    assert first != load(folder, image_size=48).fingerprint
    write(folder / "cat" / "3.png", 12345)
    assert first != load(folder).fingerprint


def test_audit_data_stops_at_nothing(folder, tmp_path):
    for index in range(40):
        (folder / "dog" / f"broken {index}.jpg").write_text("no picture")
    found = audit_data(str(folder), cache_dir=tmp_path / "cache")
    assert len(found.broken) == 40
    assert found.classes == ("cat", "dog", "horse")


def test_progress_counts_to_the_end(folder, tmp_path):
    seen = []
    load_images(
        str(folder), cache_dir=tmp_path / "cache", progress=lambda done, of: seen.append((done, of))
    )
    assert seen[-1] == (60, 60)
    assert seen == sorted(seen)


def test_training_pictures_at_another_size_are_the_same_pictures(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(6):
            pixels = np.kron(rng.integers(0, 256, (4, 4, 3)), np.ones((20, 20, 1))).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{number}.png")
    images = load_images(
        str(tmp_path / "data"), Recipe(image_size=32), cache_dir=tmp_path / "cache"
    )
    larger = images.larger_train(64, cache_dir=tmp_path / "cache")
    assert len(larger) == len(images.train)
    assert np.array_equal(larger.indices, images.train.indices)
    every = np.arange(len(larger))
    assert np.array_equal(larger.labels_of(every), images.train.labels_of(every))
    assert larger.take(every).shape == (len(larger), 64, 64, 3)
    smaller = larger.take(every)[:, ::2, ::2].astype(int)
    assert np.abs(smaller - images.train.take(every)).mean() < 25
    assert images.larger_train(32) is images.train
    (tmp_path / "data" / images.source.names[int(larger.indices[0])]).unlink()
    with pytest.raises(SteadygradError, match="can't be now"):
        images.larger_train(48, cache_dir=tmp_path / "cache")
