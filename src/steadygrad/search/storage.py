"""Where a study is kept: a file of this machine, a database, or Optuna's proxy before one."""

from __future__ import annotations

import importlib
import random
import time
import warnings
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any, cast

import optuna
from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from steadygrad.errors import InputError, SteadygradError

SQLITE_ENDINGS = (".db", ".sqlite", ".sqlite3")
POSTGRESQL = ("postgresql://", "postgres://")
PROXY_PORT = 13000
"""Optuna's own default."""
CONNECT_SECONDS = 10
AWAY_SECONDS = 60.0
"""A database that restarts is back by then; longer, and waiting is no work."""
ASK_AGAIN_SECONDS = 0.5
TABLES_TRIES = 5
"""Workers that make the tables of an empty database at once get in each other's way."""


def open_storage(place: str) -> tuple[Patient, AbstractContextManager[Any]]:
    """A storage, and a lock for what must not be done twice at once.

    A file: SQLite by its ending, else Optuna's journal. A URL: any database Optuna takes, or
    grpc://host:port for its proxy. Databases lock rows by themselves.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        if place.startswith("grpc://"):
            return Patient(_proxy(place)), nullcontext()
        if "://" in place and not place.startswith("sqlite:"):
            return Patient(_database(place)), nullcontext()
        path = place.removeprefix("sqlite:///")
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{path}.claims")
        with lock:
            if place.startswith("sqlite:") or path.endswith(SQLITE_ENDINGS):
                kept = {"connect_args": {"timeout": 60}}
                database = RDBStorage(f"sqlite:///{path}", engine_kwargs=kept)
                return Patient(optuna.storages.get_storage(database)), lock
            return Patient(_journal(path)), lock
    except InputError:
        raise
    except Exception as error:
        text = str(error).strip().partition("\n")[0]
        raise InputError(
            f"--storage '{without_password(place)}' can't be used: {type(error).__name__}: {text}. "
            "Expected a file (study.journal, study.db), the URL of a database that is there and "
            "whose driver is installed, or grpc://host:port."
        ) from error


def without_password(place: str) -> str:
    """A storage's place as it may be shown.

    >>> without_password("postgresql://ann:secret@host/studies")
    'postgresql://ann:***@host/studies'
    """
    scheme, found, rest = place.partition("://")
    login, at, address = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    return f"{scheme}{found}{user}{':***' if colon else ''}{at}{address}"


def _proxy(place: str) -> BaseStorage:
    _need("grpc", place, "steadygrad[grpc]")
    host, _, port = place.removeprefix("grpc://").rstrip("/").partition(":")
    if port and not port.isdigit():
        raise InputError(f"--storage '{place}': '{port}' is no port; expected grpc://host:port.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        proxy = optuna.storages.GrpcStorageProxy(host=host, port=int(port or PROXY_PORT))
    proxy.wait_server_ready(timeout=CONNECT_SECONDS)
    return proxy


def _database(place: str) -> BaseStorage:
    from sqlalchemy.exc import IntegrityError, ProgrammingError

    url = place
    options: dict[str, Any] = {"pool_pre_ping": True}  # a connection cut meanwhile is made anew
    for scheme in POSTGRESQL:
        if place.startswith(scheme):
            _need("psycopg", place, "steadygrad[postgresql]")
            url = "postgresql+psycopg://" + place.removeprefix(scheme)
            options["connect_args"] = {"connect_timeout": CONNECT_SECONDS}
    for left in reversed(range(TABLES_TRIES)):
        try:
            return optuna.storages.get_storage(RDBStorage(url, engine_kwargs=options))
        except (IntegrityError, ProgrammingError):
            if not left:
                raise
            time.sleep(random.random())
    raise AssertionError


def _need(module: str, place: str, extra: str) -> None:
    """Refuse a storage whose driver is not there, and say how to get it."""
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"--storage '{without_password(place)}' needs the package '{module}', which can't be "
            f"imported ({error}). Install it: pip install '{extra}'."
        ) from error


def _journal(path: str) -> BaseStorage:
    """Optuna's journal; a last line that was cut off (full disk, power) is taken away first."""
    lock = KernelLock(f"{path}.writing")
    with suppress(FileNotFoundError), open(path, "r+b") as file, lock.file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
    return JournalStorage(JournalFileBackend(path, lock_obj=cast(Any, lock)))


class KernelLock:
    """A journal's lock that the kernel lets go when its holder is killed.

    Optuna's own is a file: left behind by a kill, it holds everybody up for 30 seconds.
    """

    def __init__(self, path: str) -> None:
        self.file = FileLock(path)

    def acquire(self) -> bool:
        """Wait for it."""
        self.file.acquire()
        return True

    def release(self) -> None:
        """Let the next one."""
        self.file.release()


class Patient:
    """A storage that is asked again while it is away for a moment; raises SteadygradError at last.

    What was asked may then be done twice: a caller must see that by what it wrote.
    """

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage
        self.away_at = float("-inf")
        """When it was last found away (monotonic clock)."""

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._storage, name)

        def ask(*values: Any, **named: Any) -> Any:
            began = time.monotonic()
            while True:
                try:
                    return method(*values, **named)
                except Exception as error:
                    if not _is_away(error):
                        raise
                    self.away_at = time.monotonic()
                    if self.away_at - began > AWAY_SECONDS:
                        raise SteadygradError(
                            f"The storage of the study has been away for {AWAY_SECONDS:.0f} s: "
                            f"{str(error).strip()}. What was trained is kept; the same command "
                            "goes on once it is back."
                        ) from error
                    time.sleep(ASK_AGAIN_SECONDS)

        return ask


def _is_away(error: Exception) -> bool:
    """Whether a storage's error is one of reaching it, which may pass."""
    if isinstance(error, optuna.exceptions.StorageInternalError):
        from sqlalchemy.exc import InterfaceError, OperationalError, PendingRollbackError

        # The last one where Optuna asked once more by itself, in the transaction that was cut off.
        away = (InterfaceError, OperationalError, PendingRollbackError)
        return isinstance(error.__cause__, away)
    code = getattr(error, "code", None)  # of a grpc.RpcError; the package may be missing
    return callable(code) and getattr(code(), "name", "") in ("UNAVAILABLE", "UNKNOWN")


def is_shared(lock: AbstractContextManager[Any]) -> bool:
    """Whether a storage is for several machines: then no lock of ours keeps the others out."""
    return isinstance(lock, nullcontext)
