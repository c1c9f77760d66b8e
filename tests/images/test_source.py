"""Every form of DATA, and every way it can be unusable."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import io
import os
import pickle
import shutil
import struct
import tarfile
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_files import without_privileges, write_folders, write_picture

from steadygrad.errors import InputError
from steadygrad.images.source import KNOWN, natural_key, open_source
from steadygrad.images.source import cifar as cifar_module


def refused(data: object, data_root: str | None = None) -> str:
    with pytest.raises(InputError) as error:
        open_source(str(data), data_root)
    return str(error.value)


def labelled(source) -> dict[str, str]:
    return {
        name: source.classes[label] if label >= 0 else ""
        for name, label in zip(source.names, source.labels)
    }


# Class folders


def test_class_folders(tmp_path):
    write_folders(tmp_path, ["b/2.png", "a/10.png", "a/9.jpg", "a/deep/er/1.webp"])
    source = open_source(str(tmp_path))
    assert source.classes == ("a", "b")
    assert source.names == ["a/9.jpg", "a/10.png", "a/deep/er/1.webp", "b/2.png"]
    assert source.labels.tolist() == [0, 0, 0, 1]
    assert source.labels.dtype == np.int64
    assert source.splits == [""] * 4
    assert source.arrays is None
    assert source.path(3) == tmp_path / "b/2.png"
    assert source.name == tmp_path.name
    assert not source.notes


def test_classes_are_in_natural_order(tmp_path):
    write_folders(tmp_path, [f"class{number}/x.png" for number in (10, 9, 1, 100)])
    assert open_source(str(tmp_path)).classes == ("class1", "class9", "class10", "class100")


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "valid", "TEST")])
def test_splits_above_classes(tmp_path, names):
    train, val, test = names
    write_folders(
        tmp_path, [f"{train}/a/1.png", f"{train}/b/1.png", f"{val}/b/2.png", f"{test}/a/3.png"]
    )
    source = open_source(str(tmp_path))
    assert source.splits == ["train", "train", "val", "test"]
    assert list(labelled(source).values()) == ["a", "b", "b", "a"]


def test_a_class_missing_from_a_split_shifts_no_other(tmp_path):
    write_folders(
        tmp_path, ["train/a/1.png", "train/b/1.png", "train/c/1.png", "validation/c/2.png"]
    )
    write_picture(tmp_path / "test/extra/9.png")
    source = open_source(str(tmp_path))
    assert source.classes == ("a", "b", "c", "extra")
    assert labelled(source)["validation/c/2.png"] == "c"
    assert labelled(source)["test/extra/9.png"] == "extra"


def test_unlabelled_test_pictures(tmp_path):
    write_folders(tmp_path, ["train/a/1.png", "train/b/1.png", "test/7.png"])
    source = open_source(str(tmp_path))
    assert labelled(source)["test/7.png"] == ""
    assert any("unlabelled" in note for note in source.notes)


def test_train_can_be_a_class_among_vehicles(tmp_path):
    write_folders(tmp_path, ["train/1.png", "bus/1.png", "car/1.png"])
    assert open_source(str(tmp_path)).classes == ("bus", "car", "train")
    write_folders(tmp_path, ["train/steam/1.png"])
    assert open_source(str(tmp_path)).classes == ("bus", "car", "train")


def test_folders_beside_splits_are_noted(tmp_path):
    write_folders(tmp_path, ["train/a/1.png", "train/b/1.png", "test/a/1.png", "raw/a/5.png"])
    source = open_source(str(tmp_path))
    assert len(source) == 3
    assert any("raw" in note for note in source.notes)


def test_leftovers_are_no_classes_and_no_pictures(tmp_path):
    write_folders(tmp_path, ["a/1.png", "b/1.png", ".ipynb_checkpoints/1.png", "__MACOSX/a/1.png"])
    write_picture(tmp_path / "a/.hidden.png")
    write_picture(tmp_path / "a/.ipynb_checkpoints/1.png")
    for name in ("a/.DS_Store", "a/Thumbs.db", "b/desktop.ini", ".DS_Store"):
        (tmp_path / name).write_bytes(b"\0")
    source = open_source(str(tmp_path))
    assert source.names == ["a/1.png", "b/1.png"]


def test_what_is_called_a_picture_is_listed_whatever_it_holds(tmp_path):
    write_folders(tmp_path, ["a/1.png", "b/1.png"])
    (tmp_path / "a/text.jpg").write_text("no picture")
    (tmp_path / "a/empty.png").touch()
    (tmp_path / "b/no_extension").write_bytes(b"?")
    (tmp_path / "b/gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    source = open_source(str(tmp_path))
    assert set(source.names) >= {"a/text.jpg", "a/empty.png", "b/no_extension", "b/gone.jpg"}


def test_other_files_are_noted_and_ignored(tmp_path):
    write_folders(tmp_path, ["a/1.png", "b/1.png", "loose.png"])
    for name in ("a/x.txt", "a/y.TXT", "b/z.csv", "b/m.json", "README.md"):
        (tmp_path / name).write_text("hello")
    os.mkfifo(tmp_path / "a/pipe")
    (tmp_path / "empty").mkdir()
    source = open_source(str(tmp_path))
    assert len(source) == 2
    notes = " ".join(source.notes)
    for word in ("2 .txt", "1 .csv", "1 .json", "1 .md", "pipe", "loose.png", "'empty'"):
        assert word in notes


def test_links_are_followed_but_not_in_circles(tmp_path):
    write_folders(tmp_path / "elsewhere", ["1.png"])
    root = write_folders(tmp_path / "root", ["a/1.png", "a/deep/2.png"])
    (root / "b").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / "a/up").symlink_to(root, target_is_directory=True)
    (root / "a/deep/self").symlink_to(root / "a", target_is_directory=True)
    (root / "a/knot").symlink_to(root / "a/knot")
    source = open_source(str(root))
    assert labelled(source) == {"a/1.png": "a", "a/deep/2.png": "a", "a/knot": "a", "b/1.png": "b"}


def test_strange_names_are_just_names(tmp_path):
    names = ["<b>&amp;/1.png", "naïve 🐈/a b.png", "-rf/%s{x}.png"]
    write_folders(tmp_path, names)
    undecodable = os.fsdecode(b"\xff\xfe.png")
    shutil.copy(tmp_path / names[0], tmp_path / "-rf" / undecodable)
    source = open_source(str(tmp_path))
    assert set(source.names) == {*names, f"-rf/{undecodable}"}
    assert all(source.path(index).exists() for index in range(len(source)))


# What can't be used


def test_missing_folder_offers_the_nearest(tmp_path):
    (tmp_path / "Flowers").mkdir()
    assert f"Did you mean '{tmp_path / 'Flowers'}'" in refused(tmp_path / "flower")
    assert "Did you mean 'fashion-mnist'" in refused("fashion-mnst")
    assert "There is no" in refused(tmp_path / "deep/deeper/x")
    assert refused("a" * 5000)
    assert refused("\0")


def test_empty_folder(tmp_path):
    assert "no picture" in refused(tmp_path)
    (tmp_path / "a").mkdir()
    assert "no picture" in refused(tmp_path)


def test_loose_pictures(tmp_path):
    write_folders(tmp_path, ["1.png", "2.png"])
    message = refused(tmp_path)
    assert "2 pictures but no class folders" in message
    assert "CSV" in message


def test_one_class(tmp_path):
    write_folders(tmp_path, ["photos/1.png"])
    assert "only one class ('photos')" in refused(tmp_path)
    write_folders(tmp_path, ["photos/a/1.png", "photos/b/1.png"])
    assert f"Did you mean '{tmp_path / 'photos'}'" in refused(tmp_path)


def test_a_file_that_is_no_csv(tmp_path):
    assert "is a file" in refused(write_picture(tmp_path / "cat.png"))


def test_unreadable_folder():
    root = Path(tempfile.mkdtemp())
    try:
        root.chmod(0o755)
        write_folders(root, ["a/1.png", "b/1.png"])
        (root / "b").chmod(0)
        with without_privileges():
            message = refused(root)
        assert "permission denied" in message
        assert str(root / "b") in message
        root.chmod(0)
        with without_privileges():
            assert "permission denied" in refused(root)
            assert "permission denied" in refused(root / "a")
    finally:
        root.chmod(0o755)
        (root / "b").chmod(0o755)
        shutil.rmtree(root)


# CSV


def write_csv(tmp_path: Path, text: str | bytes, name: str = "list.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_csv(tmp_path):
    write_folders(tmp_path, ["x/1.png", "x/2.png", "x/3,4.png"])
    absolute = tmp_path / "x/2.png"
    text = (
        "\ufeffid, Path ,split,LABEL\r\n1,x/1.png,train,dog\r\n\r\n"
        f'2,{absolute},valid,cat\r\n3,"x/3,4.png",,\r\n4,gone.png,test,dog\r\n'
    )
    source = open_source(str(write_csv(tmp_path, text)))
    assert source.classes == ("cat", "dog")
    assert source.labels.tolist() == [1, 0, -1, 1]
    assert source.splits == ["train", "val", "", "test"]
    assert source.path(0) == tmp_path / "x/1.png"
    assert source.path(1) == absolute
    assert source.name == "list"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["line 1", "'path'", "'label'"]),
        ("file,label\na,b\n", ["line 1", "'path'"]),
        ("path;label\na;b\n", ["commas"]),
        ("path,label\n", ["no rows"]),
        ("path,label\nx/1.png,a\nx/1.png\n", ["line 3"]),
        ("path,label\nx/1.png,a\n,b\n", ["line 3", "path"]),
        ("path,label,split\nx/1.png,a,train\nx/1.png,b,tset\n", ["line 3", "Did you mean 'test'"]),
        ("path,label\nx/1.png,a\nx/1.png,a\n", ["only one class", "label"]),
        ("path,label\nnope/1.png,a\nnope/2.png,b\n", ["None of the 2", "CSV's own folder"]),
        ("path,label\nx\\1.png,a\nx\\2.png,b\n", ["with /"]),
        ('path,label\n"x/1.png,a\n', ["line"]),
        (b"path,label\nx/1.png,\xff\n", ["UTF-8"]),
        ("path,label\nx/\0.png,a\n", ["line"]),
    ],
)
def test_csv_errors_say_where(tmp_path, text, words):
    write_picture(tmp_path / "x/1.png")
    message = refused(write_csv(tmp_path, text))
    for word in words:
        assert word in message


def test_splits_csv_in_a_folder_rules(tmp_path):
    write_folders(tmp_path, ["a/1.png", "a/2.png", "b/1.png", "b/unlisted.png"])
    write_csv(
        tmp_path,
        "path,label,split\na/1.png,a,train\n./a/2.png,a,test\nb/1.png,b,test\n",
        "splits.csv",
    )
    source = open_source(str(tmp_path))
    assert source.splits == ["train", "test", "test"]
    assert source.name == tmp_path.name
    notes = " ".join(source.notes)
    assert "splits.csv" in notes
    assert "Left out 1 files" in notes
    assert "b/unlisted.png" in notes


# IDX


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(folder: Path, suffix: str = ".gz", dot: str = "-") -> dict[str, np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 20), ("t10k", 7)):
        arrays[f"{split}-images{dot}idx3"] = generator.integers(
            0, 256, (count, 6, 5), dtype=np.uint8
        )
        arrays[f"{split}-labels{dot}idx1"] = np.arange(count, dtype=np.uint8) % 4
    for name, array in arrays.items():
        data = idx(array)
        path = folder / f"{name}-ubyte{suffix}"
        path.write_bytes(gzip.compress(data) if suffix else data)
    return arrays


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dot", ["-", "."])
@pytest.mark.parametrize("inside", ["", "raw"])
def test_idx_folder(tmp_path, suffix, dot, inside):
    arrays = write_idx(tmp_path / inside, suffix, dot)
    source = open_source(str(tmp_path))
    assert source.arrays.shape == (27, 6, 5, 1)
    np.testing.assert_array_equal(source.arrays[:20, ..., 0], arrays[f"train-images{dot}idx3"])
    np.testing.assert_array_equal(source.arrays[20:, ..., 0], arrays[f"t10k-images{dot}idx3"])
    assert source.splits == ["train"] * 20 + ["test"] * 7
    assert source.classes == ("0", "1", "2", "3")
    assert source.labels.tolist() == [n % 4 for n in range(20)] + [n % 4 for n in range(7)]
    assert source.names[0] == "train/00000"
    assert source.names[-1] == "test/00006"
    with pytest.raises(InputError, match="array"):
        source.path(0)


def test_idx_labels_map_by_value_across_splits(tmp_path):
    write_idx(tmp_path, "")
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.full(20, 7, np.uint8)))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(np.full(7, 3, np.uint8)))
    source = open_source(str(tmp_path))
    assert source.classes == ("3", "7")
    assert source.labels.tolist() == [1] * 20 + [0] * 7


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[:-1], "holds"),
        (lambda data: data + b"\0", "more"),
        (lambda data: data[:6], "inside its header"),
        (lambda data: b"", "not an IDX"),
        (lambda data: b"\x1f\x8b" + data, "not an IDX"),
        (lambda data: data[:4] + struct.pack(">III", 2**31, 2**31, 2**31) + data[16:], "holds"),
        (lambda data: idx(np.zeros((20, 6), np.uint8)), "shape"),
        (lambda data: idx(np.zeros((19, 6, 5), np.uint8)), "labels of shape"),
    ],
)
def test_damaged_idx(tmp_path, change, words):
    write_idx(tmp_path, "")
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(change(path.read_bytes()))
    assert words in refused(tmp_path)


@pytest.mark.parametrize("keep", [0, 8, 200])
def test_damaged_gzip(tmp_path, keep):
    write_idx(tmp_path, ".gz")
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:keep])
    assert path.name in refused(tmp_path)


def test_two_idx_sets_in_one_folder(tmp_path):
    write_idx(tmp_path, "")
    shutil.copy(tmp_path / "train-images-idx3-ubyte", tmp_path / "letters-train-images-idx3-ubyte")
    assert "two IDX sets" in refused(tmp_path)


# CIFAR


def write_cifar10(folder: Path, batches: int = 5) -> np.ndarray:
    """Write batches as the originals are (protocol 2, Python 2's strings as bytes)."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    everything = []
    names = [f"data_batch_{number}" for number in range(1, batches + 1)] + ["test_batch"]
    for name in names:
        rows = generator.integers(0, 256, (4, 3072), dtype=np.uint8)
        everything.append(rows)
        content = {b"data": rows, b"labels": [0, 1, 2, 1], b"filenames": [b"x"] * 4}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    meta = {b"label_names": [b"airplane", b"car", b"bird"], b"num_vis": 3072}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))
    return np.concatenate(everything)


@pytest.mark.parametrize("inside", ["", "cifar-10-batches-py", "whatever"])
def test_cifar10_folder(tmp_path, inside):
    rows = write_cifar10(tmp_path / inside)
    source = open_source(str(tmp_path))
    assert source.arrays.shape == (24, 32, 32, 3)
    expected = rows.reshape(24, 3, 32, 32)
    for channel in range(3):
        np.testing.assert_array_equal(source.arrays[..., channel], expected[:, channel])
    assert source.classes == ("airplane", "car", "bird")  # the set's own order: labels are numbers
    assert source.labels.tolist() == [0, 1, 2, 1] * 6
    assert source.splits == ["train"] * 20 + ["test"] * 4


def test_cifar10_with_batches_missing_says_so(tmp_path):
    write_cifar10(tmp_path, batches=2)
    source = open_source(str(tmp_path))
    assert len(source) == 12
    assert "3 of 6 batches" in source.notes[0]


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_cifar100_folder(tmp_path, protocol):
    generator = np.random.default_rng(0)
    for name, count in (("train", 6), ("test", 3)):
        rows = generator.integers(0, 256, (count, 3072), dtype=np.uint8)
        content = {
            "data": rows,
            "fine_labels": [0, 1, 2] * (count // 3),
            "coarse_labels": [0] * count,
        }
        (tmp_path / name).write_bytes(pickle.dumps(content, protocol=protocol))
    meta = {b"fine_label_names": [b"apple", b"bear", b"can"], b"coarse_label_names": [b"all"]}
    (tmp_path / "meta").write_bytes(pickle.dumps(meta, protocol=protocol))
    if protocol == 5:  # a newer way to store arrays, in no CIFAR file there is
        assert "which no CIFAR file needs" in refused(tmp_path)
        return
    source = open_source(str(tmp_path))
    assert source.classes == ("apple", "bear", "can")
    assert source.arrays.shape == (9, 32, 32, 3)
    np.testing.assert_array_equal(source.arrays[8, :, :, 2].ravel(), rows[2, 2048:])


class Evil:
    def __reduce__(self):
        return os.system, ("touch hacked",)


def test_unpickling_runs_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_cifar10(tmp_path)
    for evil in (Evil(), {b"label_names": [b"a"], b"x": Evil()}):
        (tmp_path / "batches.meta").write_bytes(pickle.dumps(evil, protocol=2))
        assert "which no CIFAR file needs" in refused(tmp_path)
    for name in ("eval", "getattr", "__import__"):
        (tmp_path / "batches.meta").write_bytes(f"cbuiltins\n{name}\n.".encode())
        assert "which no CIFAR file needs" in refused(tmp_path)
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    "batch",
    [
        {b"data": np.zeros((4, 3072), np.float32), b"labels": [0, 1, 2, 1]},
        {b"data": np.zeros((4, 3000), np.uint8), b"labels": [0, 1, 2, 1]},
        {b"data": np.zeros((4, 3072), np.uint8), b"labels": [0, 1, 2]},
        {b"data": np.zeros((4, 3072), np.uint8), b"labels": [0, 1, 2, 3]},
        {b"data": np.zeros((4, 3072), np.uint8), b"labels": [0, 1, -2, 1]},
        {b"data": np.array([[None]], dtype=object), b"labels": [0]},
        {b"labels": [0]},
        [1, 2, 3],
    ],
)
def test_batches_that_are_none(tmp_path, batch):
    write_cifar10(tmp_path)
    (tmp_path / "data_batch_2").write_bytes(pickle.dumps(batch, protocol=2))
    assert "data_batch_2" in refused(tmp_path)


BATCH = pickle.dumps({b"data": np.zeros((2, 8), np.uint8), b"labels": [1, 2]}, protocol=2)


@given(st.lists(st.tuples(st.integers(0, len(BATCH) - 1), st.integers(0, 255)), max_size=4))
def test_damaged_pickles_are_input_errors(changes):
    data = bytearray(BATCH)
    for place, value in changes:
        data[place] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "batch"
        path.write_bytes(bytes(data))
        try:
            content = cifar_module._load(path)
        except InputError:
            return
        assert isinstance(content, dict)


# Known sets


def test_digits():
    source = open_source("digits")
    assert source.arrays.shape == (1797, 8, 8, 1)
    assert source.arrays.max() == 255
    assert source.arrays.min() == 0
    assert np.bincount(source.labels).min() > 170


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """No data root, an empty cache, an empty working folder, and no server to download from."""
    monkeypatch.delenv("STEADYGRAD_DATA", raising=False)
    monkeypatch.setenv("STEADYGRAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for name in ("mnist", "fashion-mnist", "cifar10", "cifar100"):
        monkeypatch.setitem(KNOWN, name, replace(KNOWN[name], url="http://127.0.0.1:9"))
    return tmp_path


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "cifar100"])
def test_known_set_without_network(alone, name):
    message = refused(name)
    assert "can't be downloaded" in message
    assert "STEADYGRAD_DATA" in message


@pytest.mark.parametrize("place", ["mnist", "MNIST/raw", "."])
@pytest.mark.parametrize("how", ["data_root", "STEADYGRAD_DATA"])
def test_known_set_is_found(alone, monkeypatch, place, how):
    write_idx(alone / "data" / place)
    if how == "STEADYGRAD_DATA":
        monkeypatch.setenv(how, str(alone / "data"))
    source = open_source("mnist", str(alone / "data") if how == "data_root" else None)
    assert source.name == "mnist"
    assert len(source) == 27


def test_mnist_is_not_taken_for_fashion_mnist(alone):
    write_idx(alone / "data")
    assert "can't be downloaded" in refused("fashion-mnist", str(alone / "data"))


@pytest.mark.parametrize(
    "place", ["cifar10", "cifar-10-batches-py", ".", "CIFAR10/cifar-10-batches-py"]
)
def test_cifar10_is_found(alone, place):
    write_cifar10(alone / "data" / place)
    source = open_source("cifar10", str(alone / "data"))
    assert source.name == "cifar10"
    assert len(source) == 24
    assert "can't be downloaded" in refused("cifar100", str(alone / "data"))


def test_data_root_must_be_a_folder(alone):
    assert "not a folder" in refused("mnist", str(alone / "nowhere"))


@pytest.fixture
def server(tmp_path):
    """A real web server over tmp_path/served: (url, folder)."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()
        thread.join()


def checksums(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_download(alone, server, monkeypatch):
    url, folder = server
    write_idx(folder)
    served = replace(KNOWN["mnist"], url=url, files=checksums(folder))
    monkeypatch.setitem(KNOWN, "mnist", served)
    assert len(open_source("mnist")) == 27
    shutil.rmtree(folder)  # from now on it is there
    assert len(open_source("mnist")) == 27
    assert sorted(path.name for path in (alone / "cache/mnist").iterdir()) == sorted(served.files)


def test_download_of_another_file_is_refused(alone, server, monkeypatch):
    url, folder = server
    write_idx(folder)
    served = replace(KNOWN["mnist"], url=url, files=checksums(folder))
    monkeypatch.setitem(KNOWN, "mnist", served)
    path = folder / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes() + b"!")
    assert "SHA-256" in refused("mnist")
    assert not (alone / "cache/mnist" / path.name).exists()
    path.unlink()
    assert "can't be downloaded" in refused("mnist")


def test_download_unpacks_archives_and_nothing_beside(alone, server, monkeypatch):
    url, folder = server
    write_cifar10(alone / "made/cifar-10-batches-py")
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as tar:
        tar.add(alone / "made/cifar-10-batches-py", "cifar-10-batches-py")
        for name in ("../escaped", "/absolute/escaped", "a/b/escaped"):
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(b"bad"))
        link = tarfile.TarInfo("cifar-10-batches-py/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    served = replace(KNOWN["cifar10"], url=url, files=checksums(folder))
    monkeypatch.setitem(KNOWN, "cifar10", served)
    assert len(open_source("cifar10")) == 24
    assert not list(alone.rglob("escaped"))
    unpacked = sorted(path.name for path in (alone / "cache").rglob("*") if path.is_file())
    assert unpacked == sorted(path.name for path in (alone / "made").rglob("*") if path.is_file())


@pytest.mark.skipif("STEADYGRAD_DATA" not in os.environ, reason="needs STEADYGRAD_DATA")
def test_real_fashion_mnist():
    source = open_source("fashion-mnist")
    assert len(source) == 70_000
    assert source.classes[9] == "Ankle boot"
    assert np.bincount(source.labels).tolist() == [7000] * 10
    assert source.splits.count("test") == 10_000


# Order


@given(st.lists(st.text(max_size=8), max_size=8))
def test_natural_order_is_total(names):
    ordered = sorted(names, key=natural_key)
    names.reverse()
    assert sorted(names, key=natural_key) == ordered
    assert sorted(ordered) == sorted(names)


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_natural_order_is_by_number(one, two):
    assert (natural_key(f"x{one}y") < natural_key(f"x{two}y")) == (one < two)
