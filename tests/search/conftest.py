import os

import pytest
from search_processes import kill, started


@pytest.fixture(autouse=True)
def _never_without_power(monkeypatch):
    """Kill -9 loses nothing that was written; waiting for the disk is half of a small search."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def start():
    """Begin workers; none outlives its test."""
    begun = []

    def start(*words):
        begun.append(started(*words))
        return begun[-1]

    yield start
    for process in begun:
        kill(process)
