import inspect
import os

# Before torch is loaded, as the command line does: tests share their cores with other work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch

from fork_server import ForkServer
from steadygrad.models.networks import MODELS


@pytest.fixture
def build():
    """Build a network by name with those of the options it takes; small where width matters."""

    def build(name, num_classes=10, in_channels=3, **options):
        torch.manual_seed(0)
        known = inspect.signature(MODELS[name]).parameters
        options = {"image_size": 32, **options}
        for key in ("image_size", "width"):
            if key not in known:
                options.pop(key, None)
        return MODELS[name](num_classes, in_channels, **options)

    return build


@pytest.fixture(scope="session")
def processes(tmp_path_factory):
    """Run steadygrad commands as processes that needn't import torch anew."""
    server = ForkServer(
        tmp_path_factory.mktemp("processes"),
        STEADYGRAD_CACHE=str(tmp_path_factory.mktemp("cache")),
    )
    yield server
    server.close()
