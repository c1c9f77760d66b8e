"""Every picture decoded once, at working size, into one memory-mapped array."""

from __future__ import annotations

import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from steadygrad.errors import SteadygradError
from steadygrad.images.cache_entry import (
    Cache,
    FileInfo,
    Settings,
    digest_of,
    fingerprint_of,
    open_cache,
    publish,
)
from steadygrad.images.cache_folder import (
    Draft,
    Index,
    has_candidates,
    load_index,
    save_index,
)
from steadygrad.images.decode import (
    BrokenImage,
    Header,
    decode,
    read_bytes,
    read_header,
)
from steadygrad.images.resize import working_square, working_squares
from steadygrad.images.source.base import Source
from steadygrad.images.source.known import default_cache_folder

T = TypeVar("T")
Progress = Callable[[int, int], None]

# Files per task: enough to hide the cost of a task, few enough to keep memory and waits small.
_CHUNK = 8
_ARRAY_CHUNK = 256
# A file changed this recently may change again without its time changing: clocks tick coarsely.
_RACY_NANOSECONDS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class _Row:
    """One file decoded: its pixels (None where broken), and its (size, mtime) if to be trusted."""

    info: FileInfo
    square: np.ndarray | None
    stamp: tuple[int, int] | None


def decode_all(
    source: Source,
    size: int,
    channels: int,
    how: str,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    threads: int | None = None,
) -> Cache:
    """Decode all pictures of `source` to (size, size, channels), or open them if that was done.

    Broken files become zeros with `FileInfo.error` set. `progress(done, total)` is called from this
    thread while decoding. Never holds more than a few pictures in memory. SteadygradError where the
    cache can't be written; nothing half-written stays.
    """
    folder = Path(cache_dir).expanduser() if cache_dir else default_cache_folder()
    settings = Settings(size, channels, how)
    tell = progress or (lambda done, total: None)  # noqa: ARG005
    if source.arrays is not None:
        return _from_array(source, settings, folder, tell)
    # Pillow warns of oddities file by file. Filters are global: set here, not in the threads.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        return _from_files(source, settings, folder, tell, threads or num_threads())


def probe_headers(source: Source, threads: int | None = None) -> list[Header | None]:
    """Read the header of every picture (None where broken), without decoding any."""
    if source.arrays is not None:
        _, height, width, channels = source.arrays.shape
        return [_array_header(height, width, channels)] * len(source)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        return list(
            _in_order(
                lambda index: _header_or_none(source.path(index)),
                range(len(source)),
                threads or num_threads(),
            )
        )


def num_threads() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _header_or_none(path: Path) -> Header | None:
    try:
        return read_header(path)
    except BrokenImage:
        return None


def _array_header(height: int, width: int, channels: int) -> Header:
    return Header("array", "L" if channels == 1 else "RGB", width, height)


def _in_order(work: Callable[[int], T], items: Sequence[int], threads: int) -> Iterator[T]:
    """Yield work(item) for each item, in order, computed ahead in threads but only a little."""

    def chunk(start: int) -> list[T]:
        return [work(item) for item in items[start : start + _CHUNK]]

    waiting: deque[Future[list[T]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    try:
        for start in range(0, len(items), _CHUNK):
            waiting.append(pool.submit(chunk, start))
            if len(waiting) >= 2 * threads:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _from_files(
    source: Source, settings: Settings, folder: Path, tell: Progress, threads: int
) -> Cache:
    root = source.path(0).parent if source.root is None else source.root
    index = load_index(folder, root)
    remembered = dict(index)
    cache = None
    # Reading everything only to find nothing would double the first run's reading.
    if has_candidates(folder / "pixels", settings.prefix(len(source))):
        keys = _in_order(lambda number: _key(source, number, index), range(len(source)), threads)
        cache = open_cache(source, settings, folder, fingerprint_of(settings, list(keys)))
    if cache is not None:
        with suppress(SteadygradError):  # a cache that may only be read is a good cache
            _remember(folder, root, remembered, index)
        return cache
    cache = _decode_files(source, settings, folder, _Work(tell, threads, index))
    _remember(folder, root, remembered, index)
    return cache


@dataclass(frozen=True)
class _Work:
    """How a decoding run goes about it: whom to tell, in how many threads, what to remember."""

    tell: Progress
    threads: int
    index: Index


def _remember(folder: Path, root: Path, before: Index, now: Index) -> None:
    if now != before:
        save_index(folder, root, now)


def _decode_files(source: Source, settings: Settings, folder: Path, work: _Work) -> Cache:
    count = len(source)
    blank = np.zeros(settings.shape(1)[1:], dtype=np.uint8)
    files: list[FileInfo] = []
    draft = Draft(folder / "pixels", settings.shape(count))
    try:
        rows = _in_order(
            lambda number: _decode_file(source, number, settings), range(count), work.threads
        )
        for row in rows:
            draft.write(blank if row.square is None else row.square)
            files.append(row.info)
            if row.stamp is not None:
                work.index[row.info.name] = (*row.stamp, row.info.digest)
            if len(files) % _CHUNK == 0 or len(files) == count:
                work.tell(len(files), count)
        fingerprint = fingerprint_of(settings, [info.digest or f"|{info.error}" for info in files])
        return publish(draft, settings, files, fingerprint)
    except MemoryError as error:
        raise SteadygradError(
            f"Not enough memory to decode pictures in {work.threads} threads. Use fewer threads."
        ) from error
    finally:
        draft.close()


def _decode_file(source: Source, number: int, settings: Settings) -> _Row:
    name = source.names[number]
    try:
        data, stamp = _read(source.path(number))
    except BrokenImage as error:
        return _Row(FileInfo(name, "", 0, "", "", 0, 0, error.reason), None, None)
    digest = digest_of(data)
    try:
        decoded = decode(data, shorter_side=settings.size)
    except BrokenImage as error:
        return _Row(FileInfo(name, digest, len(data), "", "", 0, 0, error.reason), None, stamp)
    # One picture at a time: torch then works in this thread alone and starts no others.
    square = working_square(decoded.pixels, settings.size, settings.channels, settings.how)
    info = FileInfo(
        name, digest, len(data), decoded.format, decoded.mode, decoded.width, decoded.height
    )
    return _Row(info, square, stamp)


def _read(path: Path) -> tuple[bytes, tuple[int, int] | None]:
    """Read a file, with its (size, mtime) where those will tell a later change."""
    try:
        try:
            status = os.stat(path)
        except OSError:
            status = None  # read_bytes words it
        data = read_bytes(path)
    except OSError as error:
        raise SteadygradError(f"'{path}' can't be opened: {error.strerror}.") from error
    if status is None or status.st_size != len(data):
        return data, None
    settled = time.time_ns() - status.st_mtime_ns > _RACY_NANOSECONDS
    return data, (status.st_size, status.st_mtime_ns) if settled else None


def _key(source: Source, number: int, index: Index) -> str:
    """What stands for one file's content: its digest, remembered or new, or why it has none."""
    name, path = source.names[number], source.path(number)
    try:
        status = os.stat(path)
        size, mtime, digest = index.get(name, (-1, -1, ""))
        if (size, mtime) == (status.st_size, status.st_mtime_ns):
            return digest
    except OSError:
        pass  # _read words it
    try:
        data, stamp = _read(path)
    except BrokenImage as error:
        return f"|{error.reason}"
    digest = digest_of(data)
    if stamp is not None:
        index[name] = (*stamp, digest)
    return digest


def _from_array(source: Source, settings: Settings, folder: Path, tell: Progress) -> Cache:
    """Resize pictures that come as one array; where they have the size, use them as they are."""
    arrays = source.arrays
    assert arrays is not None
    count, height, width, channels = arrays.shape
    header = _array_header(height, width, channels)
    rows = (np.ascontiguousarray(row) for row in arrays)
    files = [
        FileInfo(name, digest_of(row), row.nbytes, header.format, header.mode, width, height)
        for name, row in zip(source.names, rows, strict=True)
    ]
    fingerprint = fingerprint_of(settings, [info.digest for info in files])
    if height == width == settings.size and settings.channels >= channels:
        # Gray as RGB is a view, not a copy.
        return Cache(np.broadcast_to(arrays, settings.shape(count)), files, fingerprint)
    cache = open_cache(source, settings, folder, fingerprint)
    if cache is not None:
        return cache
    draft = Draft(folder / "pixels", settings.shape(count))
    try:
        for start in range(0, count, _ARRAY_CHUNK):
            stack = arrays[start : start + _ARRAY_CHUNK]
            draft.write(working_squares(stack, settings.size, settings.channels, settings.how))
            tell(min(start + _ARRAY_CHUNK, count), count)
        return publish(draft, settings, files, fingerprint)
    finally:
        draft.close()
