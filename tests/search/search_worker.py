"""A worker in a process of its own, begun by search_processes.py."""

import os

from search_problems import Valley, searched

from steadygrad.search import workers
from steadygrad.search.workers import Watchers

BEAT_SECONDS = 0.2
"""Hearts beat often while a test runs."""


class Told(Watchers):
    """Gives up whom the test says to be silent, and nobody else.

    A busy machine, which keeps the living waiting too, is not taken for a dead one.
    """

    def __init__(self, file):
        super().__init__(grace_seconds=0.3)
        self.file = file

    def is_stale(self, number, token, beat, asked):
        is_silent = self.file.exists() and self.file.read_text() == token.partition("|")[0]
        return is_silent and super().is_stale(number, token, beat, asked)


def work(folder, place, runs, machine):
    """`machine`: what this worker is on as it says, processes there can't be looked at from here.

    Empty: where it is.
    """
    os.fsync = lambda _: None  # no test cuts the power
    how = {"beat_seconds": BEAT_SECONDS}
    if machine:
        workers._machine = lambda: machine
        how["watchers"] = Told(folder / "silent")
    searched(folder, Valley(folder / "ledger"), runs=runs, place=place, **how)


def serve(storage, port):
    """Optuna's proxy before a storage."""
    from optuna.storages import get_storage, run_grpc_proxy_server

    run_grpc_proxy_server(get_storage(storage), host="localhost", port=port)
