"""Fetch the files of a known set, each checked against the checksum written down here."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import tarfile
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from steadygrad.errors import InputError, SteadygradError

_TIMEOUT_SECONDS = 30
_CHUNK = 1 << 20


def fetch(files: Mapping[str, str], url: str, folder: Path, what: str) -> None:
    """Download `files` ({name: SHA-256}) from below `url` into `folder`; all or nothing each.

    Archives (.tar.gz) are unpacked beside themselves and removed. InputError when the network or
    the server does not give the file, or gives another one.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, sha256 in files.items():
            if name.endswith(".tar.gz"):
                with tempfile.TemporaryDirectory(dir=folder) as scratch:
                    archive = Path(scratch) / name
                    _download(f"{url}/{name}", archive, sha256, what)
                    _unpack(archive, folder)
            elif not (folder / name).exists():
                _download(f"{url}/{name}", folder / name, sha256, what)
    except OSError as error:
        raise SteadygradError(
            f"{what} can't be stored in '{folder}': {error.strerror}. Free space there, or set "
            "STEADYGRAD_CACHE to a folder that can be written."
        ) from error


def _download(url: str, path: Path, sha256: str, what: str) -> None:
    digest = hashlib.sha256()
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in _chunks(url, what):
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != sha256:
            raise InputError(
                f"{url} is not the file expected for {what}: its SHA-256 is {digest.hexdigest()}, "
                f"not {sha256}. Try again, or put the original files there yourself."
            )
        os.replace(scratch, path)
    finally:
        Path(scratch).unlink(missing_ok=True)


def _chunks(url: str, what: str) -> Iterator[bytes]:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:
            while chunk := response.read(_CHUNK):
                yield chunk
    except (OSError, http.client.HTTPException) as error:  # URLError and time-outs are OSErrors
        reason = getattr(error, "reason", error)
        raise InputError(
            f"{what} is not on this machine and can't be downloaded from {url} ({reason}). Fetch "
            "it where there is a network; give its folder by --data-root or STEADYGRAD_DATA."
        ) from error


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack the plain files of an archive that lie one folder deep; nothing else can come out."""
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = Path(member.name).parts
            if not member.isfile() or len(parts) != 2 or ".." in parts:
                continue
            stream = tar.extractfile(member)
            assert stream is not None
            (folder / parts[0]).mkdir(exist_ok=True)
            scratch = archive.parent / "member"
            with stream, scratch.open("wb") as file:
                shutil.copyfileobj(stream, file)
            os.replace(scratch, folder / parts[0] / parts[1])
