"""The cache: right pixels, one pass, nothing half-written, whoever runs beside or dies."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from picture_files import age, without_privileges, write_folders, write_picture
from PIL import Image

from steadygrad.errors import SteadygradError
from steadygrad.images import cache as module
from steadygrad.images.cache import decode_all, probe_headers
from steadygrad.images.decode import decode
from steadygrad.images.resize import working_square
from steadygrad.images.source import Source, open_source


@pytest.fixture
def folder(tmp_path) -> Path:
    """Twenty-three pictures in two classes, old enough for their times to be trusted."""
    names = [
        f"{'ab'[number % 2]}/{number}.{('png', 'jpg')[number % 3 == 0]}" for number in range(23)
    ]
    write_folders(tmp_path / "photos", names)
    age(tmp_path / "photos")
    return tmp_path / "photos"


@pytest.fixture
def home(tmp_path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def no_decoding(monkeypatch):
    """From `forbid()` on, whoever decodes or reads a picture fails the test."""

    def forbid():
        def fail(*arguments, **options):
            raise AssertionError("read again")

        monkeypatch.setattr(module, "decode", fail)
        monkeypatch.setattr(module, "read_bytes", fail)

    return forbid


def published(home: Path) -> list[Path]:
    return list((home / "pixels").iterdir())


@pytest.mark.parametrize("how", ["squash", "crop", "pad"])
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_those_of_each_picture_alone(folder, home, how, channels):
    source = open_source(str(folder))
    cache = decode_all(source, 16, channels, how, home, threads=3)
    assert cache.pixels.shape == (23, 16, 16, channels)
    assert isinstance(cache.pixels, np.memmap)
    assert not cache.pixels.flags.writeable
    for index, info in enumerate(cache.files):
        alone = decode(source.path(index), shorter_side=16)
        expected = working_square(alone.pixels, 16, channels, how)
        np.testing.assert_array_equal(cache.pixels[index], expected)
        assert info.name == source.names[index]
        assert (info.format, info.mode, info.width, info.height) == (
            alone.format, alone.mode, alone.width, alone.height,
        )  # fmt: skip
        assert info.bytes == source.path(index).stat().st_size
        assert info.error is None
    assert len({info.digest for info in cache.files}) == 23


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_threads_and_chunks_do_not_show(folder, home, threads):
    source = open_source(str(folder))
    one = decode_all(source, 8, 3, "crop", home / "one", threads=1)
    many = decode_all(source, 8, 3, "crop", home / "many", threads=threads)
    np.testing.assert_array_equal(one.pixels, many.pixels)
    assert one.files == many.files
    assert one.fingerprint == many.fingerprint


def test_second_run_reads_nothing(folder, home, no_decoding):
    source = open_source(str(folder))
    first = decode_all(source, 8, 3, "crop", home)
    no_decoding()
    second = decode_all(source, 8, 3, "crop", home)
    assert second.files == first.files
    assert second.fingerprint == first.fingerprint
    np.testing.assert_array_equal(first.pixels, second.pixels)


def test_other_settings_are_other_caches(folder, home):
    source = open_source(str(folder))
    settings = [(8, 3, "crop"), (8, 1, "crop"), (8, 3, "pad"), (9, 3, "crop")]
    caches = [decode_all(source, *chosen, home) for chosen in settings]
    assert len({cache.fingerprint for cache in caches}) == 4
    assert len(published(home)) == 4
    assert [cache.pixels.shape[1] for cache in caches] == [8, 8, 8, 9]


def test_a_changed_file_is_seen(folder, home):
    source = open_source(str(folder))
    first = decode_all(source, 8, 3, "crop", home)
    write_picture(folder / source.names[5], seed=99)
    second = decode_all(source, 8, 3, "crop", home)
    assert second.fingerprint != first.fingerprint
    assert second.files[5].digest != first.files[5].digest
    assert not np.array_equal(first.pixels[5], second.pixels[5])


def test_a_change_right_after_reading_is_seen_though_size_and_time_stay(folder, home):
    source = open_source(str(folder))
    path = folder / source.names[0]
    for seed, level in enumerate((10, 20)):
        Image.new("RGB", (8, 8), (level, 0, 0)).save(path.with_suffix(".bmp"))
        shutil.move(path.with_suffix(".bmp"), path)
        if seed == 0:
            status = path.stat()
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # as a coarse clock would
        assert path.stat().st_size == status.st_size
        cache = decode_all(source, 8, 3, "crop", home)
        assert cache.pixels[0, 0, 0, 0] == level


def test_moved_and_renamed_pictures_find_their_cache(folder, home, monkeypatch):
    before = decode_all(open_source(str(folder)), 8, 3, "crop", home)
    moved = folder.with_name("elsewhere")
    folder.rename(moved)
    (moved / "a").rename(moved / "aa")
    source = open_source(str(moved))
    monkeypatch.setattr(module, "decode", None)  # reading them is all it takes
    after = decode_all(source, 8, 3, "crop", home)
    assert after.fingerprint == before.fingerprint
    assert [info.name for info in after.files] == source.names


def test_broken_files_are_zeros_with_a_reason(folder, home):
    (folder / "a/text.jpg").write_text("no picture")
    (folder / "a/empty.png").touch()
    good = (folder / "a/0.jpg").read_bytes()
    (folder / "b/short.jpg").write_bytes(good[: len(good) // 2])
    (folder / "b/vanishing.png").write_bytes(good)
    source = open_source(str(folder))
    (folder / "b/vanishing.png").unlink()
    for _ in range(2):  # decoded, then from the cache
        cache = decode_all(source, 8, 3, "crop", home)
        errors = {info.name: info.error for info in cache.files if info.error}
        assert set(errors) == {"a/text.jpg", "a/empty.png", "b/short.jpg", "b/vanishing.png"}
        assert "not a picture" in errors["a/text.jpg"]
        assert "empty" in errors["a/empty.png"]
        assert errors["b/short.jpg"] == "truncated"
        assert "vanished" in errors["b/vanishing.png"]
        for index, info in enumerate(cache.files):
            assert (cache.pixels[index].max() == 0) == (info.error is not None)
    assert len(published(home)) == 1


def test_a_file_that_comes_back_is_seen(folder, home):
    source = open_source(str(folder))
    path = folder / source.names[3]
    data = path.read_bytes()
    path.unlink()
    assert decode_all(source, 8, 3, "crop", home).files[3].error
    path.write_bytes(data)
    assert decode_all(source, 8, 3, "crop", home).files[3].error is None


def test_progress_is_told_in_this_thread(folder, home):
    told = []

    def progress(done, total):
        assert threading.current_thread() is threading.main_thread()
        told.append((done, total))

    decode_all(open_source(str(folder)), 8, 3, "crop", home, progress)
    assert told == sorted(told)
    assert told[-1] == (23, 23)


def test_an_interruption_leaves_nothing(folder, home):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode_all(open_source(str(folder)), 8, 3, "crop", home, interrupt)
    assert published(home) == []
    assert not any(thread.name.startswith("decode") for thread in threading.enumerate())


def test_headers(folder):
    (folder / "a/text.jpg").write_text("no picture")
    source = open_source(str(folder))
    headers = probe_headers(source, threads=2)
    assert len(headers) == 24
    for name, header in zip(source.names, headers):
        if name == "a/text.jpg":
            assert header is None
        else:
            assert (header.mode, header.width, header.height) == ("RGB", 12, 9)
            assert header.format == ("PNG" if name.endswith("png") else "JPEG")


# Arrays


def array_source(count: int = 300, side: int = 12, channels: int = 1) -> Source:
    shape = (count, side, side, channels)
    arrays = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    names = [f"{number:05d}" for number in range(count)]
    labels = np.arange(count) % 2
    return Source("made", None, ("a", "b"), names, labels, [""] * count, arrays)


@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_of_the_right_size_are_used_as_they_are(home, channels):
    source = array_source()
    cache = decode_all(source, 12, channels, "crop", home)
    assert np.shares_memory(cache.pixels, source.arrays)
    np.testing.assert_array_equal(cache.pixels, np.repeat(source.arrays, channels, axis=3))
    assert not home.exists()
    assert cache.files[0].format == "array"
    assert cache.files[0].mode == "L"
    assert cache.files[0].bytes == 144
    assert len({info.digest for info in cache.files}) == 300


@pytest.mark.parametrize(("stored", "channels"), [(1, 1), (1, 3), (3, 1), (3, 3)])
def test_arrays_of_another_size_are_resized_into_the_cache(home, stored, channels):
    source = array_source(channels=stored)
    told = []
    for _ in range(2):
        cache = decode_all(source, 8, channels, "crop", home, lambda *step: told.append(step))
        expected = [working_square(picture, 8, channels, "crop") for picture in source.arrays]
        np.testing.assert_array_equal(cache.pixels, np.stack(expected))
        assert isinstance(cache.pixels, np.memmap)
    assert told == [(256, 300), (300, 300)]  # the second time it was there
    assert probe_headers(source)[0].mode == ("L" if stored == 1 else "RGB")


def test_colour_array_of_the_right_size_to_gray(home):
    source = array_source(channels=3)
    cache = decode_all(source, 12, 1, "crop", home)
    expected = np.asarray(Image.fromarray(source.arrays[7]).convert("L"))
    np.testing.assert_array_equal(cache.pixels[7, ..., 0], expected)


# Others beside, death, full disks

RUN = """
import sys, time
from steadygrad.images.cache import decode_all
from steadygrad.images.source import open_source
def progress(done, total):
    print(done, flush=True)
    time.sleep({pause})
cache = decode_all(open_source(sys.argv[1]), 64, 3, "crop", sys.argv[2], progress, 2)
print("sum", int(cache.pixels.sum()), len(cache.files))
"""


def start(folder: Path, home: Path, pause: float = 0.0, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", RUN.format(pause=pause), str(folder), str(home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_two_runs_at_once(folder, home):
    runs = [start(folder, home, pause=0.2) for _ in range(2)]
    outputs = [run.communicate(timeout=60) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    assert outputs[0][0].splitlines()[-1] == outputs[1][0].splitlines()[-1]
    assert len(published(home)) == 1


def test_second_to_finish_uses_the_first_ones_cache(folder, home):
    """A whole other run takes place in the middle of this one."""
    source = open_source(str(folder))
    inner = []

    def run_inside(done, total):
        if not inner:
            inner.append(decode_all(source, 8, 3, "crop", home))

    outer = decode_all(source, 8, 3, "crop", home, run_inside)
    assert outer.fingerprint == inner[0].fingerprint
    assert len(published(home)) == 1
    files = {Path(cache.pixels.filename) for cache in (inner[0], outer)}
    assert files == {published(home)[0] / "pixels.npy"}


def test_killed_half_way(folder, home):
    run = start(folder, home, pause=30)
    assert run.stdout.readline() == "8\n"
    run.send_signal(signal.SIGKILL)
    run.wait()
    left = published(home)
    assert [path.name[:4] for path in left] == ["tmp-"]
    living = start(folder, home, pause=30)
    assert living.stdout.readline() == "8\n"
    past = time.time() - 1000
    for path in published(home):
        os.utime(path, (past, past))
    try:
        cache = decode_all(open_source(str(folder)), 64, 3, "crop", home)
        assert cache.pixels.shape == (23, 64, 64, 3)
        # The dead one's folder is gone, that of the living is not.
        names = {path.name for path in published(home)}
        assert left[0].name not in names
        assert sum(name.startswith("tmp-") for name in names) == 1
    finally:
        living.kill()
        living.communicate()


@pytest.mark.parametrize("damage", ["pixels", "json", "missing", "short"])
def test_a_damaged_cache_is_made_anew(folder, home, damage):
    source = open_source(str(folder))
    first = decode_all(source, 8, 3, "crop", home)
    expected = np.array(first.pixels)
    entry = published(home)[0]
    if damage == "pixels":
        (entry / "pixels.npy").write_bytes(b"rubbish")
    elif damage == "short":
        os.truncate(entry / "pixels.npy", 500)
    elif damage == "json":
        (entry / "files.json").write_text('{"files": [')
    else:
        (entry / "files.json").unlink()
    second = decode_all(source, 8, 3, "crop", home)
    np.testing.assert_array_equal(second.pixels, expected)
    assert second.files == first.files


@pytest.mark.parametrize("content", ["", "[]", '{"a/0.jpg": [1]}', '{"a/0.jpg": 7}'])
def test_a_damaged_index_is_forgotten(folder, home, content):
    source = open_source(str(folder))
    first = decode_all(source, 8, 3, "crop", home)
    index = next((home / "index").iterdir())
    index.write_text(content)
    second = decode_all(source, 8, 3, "crop", home)
    assert second.files == first.files
    assert len(json.loads(index.read_text())) == 23


def limit_file_size() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def test_a_write_that_fails_leaves_nothing(folder, home):
    """The kernel refuses to let the file grow past 100 kB: the write fails as on a full disk."""
    run = start(folder, home, preexec_fn=limit_file_size)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "SteadygradError: The picture cache" in errors.splitlines()[-1]
    assert "STEADYGRAD_CACHE" in errors.splitlines()[-1]
    assert published(home) == []


def test_too_little_space_is_said_at_once(home):
    source = array_source(count=50_000, side=1)
    with pytest.raises(SteadygradError, match="GB are free"):
        decode_all(source, 30_000, 3, "crop", home)
    assert published(home) == []


def test_a_folder_that_may_not_be_written(folder):
    base = Path(tempfile.mkdtemp())
    try:
        shutil.copytree(folder, base / "photos")
        age(base / "photos")
        home = base / "cache"
        home.mkdir()
        base.chmod(0o755)
        home.chmod(0o555)
        source = open_source(str(base / "photos"))
        with without_privileges(), pytest.raises(SteadygradError, match="STEADYGRAD_CACHE"):
            decode_all(source, 8, 3, "crop", home)
        assert list(home.iterdir()) == []
        home.chmod(0o755)
        first = decode_all(source, 8, 3, "crop", home)
        for path in (home, *home.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        with without_privileges():  # what is there can be used
            second = decode_all(source, 8, 3, "crop", home)
        assert second.files == first.files
    finally:
        for path in (base, *base.rglob("*")):
            path.chmod(0o755)
        shutil.rmtree(base)


def test_a_cache_path_that_is_a_file(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SteadygradError, match="can't be written"):
        decode_all(open_source(str(folder)), 8, 3, "crop", tmp_path / "file")


def test_memory_stays_small(tmp_path, home):
    """Three hundred pictures at 512 pixels are 236 MB; this process may grow by far less."""
    picture = write_picture(tmp_path / "photos/a/0.jpg", size=(600, 520))
    for number in range(1, 300):
        target = tmp_path / f"photos/{'ab'[number % 2]}/{number}.jpg"
        target.parent.mkdir(exist_ok=True)
        os.link(picture, target)
    code = (
        "import sys, resource; from steadygrad.images.cache import decode_all; "
        "from steadygrad.images.source import open_source; source = open_source(sys.argv[1]); "
        "decode_all(source, 8, 3, 'crop', sys.argv[2] + '/warm', threads=2); "
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; before = peak(); "
        "decode_all(source, 512, 3, 'crop', sys.argv[2], threads=2); print(peak() - before)"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "photos"), str(home)]
    run = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=120)
    assert int(run.stdout) < 120_000  # kB
