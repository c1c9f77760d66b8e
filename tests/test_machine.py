import copy
import ctypes
import math
import os
import platform
import subprocess
import sys

import pytest
import torch

from steadygrad import machine
from steadygrad.errors import InputError
from steadygrad.machine import arrange, choose_device, choose_threads, cpu_quota, keep_memory, probe
from training_helpers import Digits, SmallClassifier, same_tensors

FAULTS = """
import resource, sys
from steadygrad.machine import keep_memory
kept = keep_memory() if sys.argv[1] == "keep" else None
import torch
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):  # until the heap has grown to what is needed
    torch.ones(12_000_000).mul_(2)
before = faults()
for _ in range(10):
    torch.ones(12_000_000).mul_(2)
print(kept, faults() - before)
"""


def page_faults(how):
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, how],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    kept, faults = done.stdout.split()
    return kept, int(faults)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_kept_memory_is_not_faulted_in_again():
    kept, few = page_faults("keep")
    _, many = page_faults("default")
    assert kept == "True"
    assert few < 100  # 48 MB a turn would be 12,000 pages of 4 KiB
    assert many > 10 * max(few, 10)  # by default glibc maps blocks over 32 MB anew each time


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: pytest.fail("touched the C library"))
    assert keep_memory() is False


def test_devices(monkeypatch):
    assert choose_device("cpu") == torch.device("cpu")
    present = torch.cuda.is_available() or torch.backends.mps.is_available()
    assert (choose_device("auto").type == "cpu") == (not present)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="no cuda device here"):
        choose_device("cuda")
    with pytest.raises(InputError, match="no cuda device here"):
        choose_device("cuda:1")
    with pytest.raises(InputError, match="Did you mean 'cuda'"):
        choose_device("cuds")


def test_threads_are_the_cores_this_process_may_use(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 2, 5}, raising=False)
    monkeypatch.setattr(machine.cores, "cpu_quota", lambda: math.inf)
    assert choose_threads() == 3
    monkeypatch.setattr(machine.cores, "cpu_quota", lambda: 1.5)
    assert choose_threads() == 2
    monkeypatch.setattr(machine.cores, "cpu_quota", lambda: 0.2)
    assert choose_threads() == 1
    assert choose_threads(7) == 7
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert choose_threads() == 5
    with pytest.raises(InputError, match="--threads is -1"):
        choose_threads(-1)


def test_quota_of_control_groups(tmp_path):
    own = tmp_path / "own"
    root = tmp_path / "cgroup"
    inner = root / "kube" / "pod"
    inner.mkdir(parents=True)
    own.write_text("0::/kube/pod\n")
    assert cpu_quota(root, own) == math.inf
    (inner / "cpu.max").write_text("max 100000\n")
    (root / "kube" / "cpu.max").write_text("250000 100000\n")
    assert cpu_quota(root, own) == 2.5
    (inner / "cpu.max").write_text("50000 100000\n")
    assert cpu_quota(root, own) == 0.5
    old = tmp_path / "old"
    (old / "cpu" / "docker").mkdir(parents=True)
    (old / "cpu" / "docker" / "cpu.cfs_quota_us").write_text("300000\n")
    (old / "cpu" / "docker" / "cpu.cfs_period_us").write_text("100000\n")
    own.write_text("5:memory:/docker\n4:cpu,cpuacct:/docker\n")
    assert cpu_quota(old, own) == 3.0
    (old / "cpu" / "docker" / "cpu.cfs_quota_us").write_text("-1\n")
    assert cpu_quota(old, own) == math.inf
    assert cpu_quota(tmp_path / "none", tmp_path / "nothing") == math.inf


@pytest.mark.parametrize("channels", [1, 3])
def test_arranged_tensors_have_the_strides_of_their_layout(channels):
    for source in (
        torch.rand(2, channels, 5, 7),
        torch.rand(2, 5, 7, channels).permute(0, 3, 1, 2),
    ):
        last, plain = arrange(source, "channels_last"), arrange(source, "contiguous")
        assert last.stride() == (35 * channels, 1, 7 * channels, channels)
        assert plain.stride() == (35 * channels, 35, 7, 1)
        assert torch.equal(last, source)
        assert torch.equal(plain, source)


def test_probe_measures_every_way_and_leaves_no_trace():
    digits = Digits(0, 64)
    classifier = SmallClassifier(digits)
    classifier.network.body[1].eval()
    before = copy.deepcopy(classifier.state_dict())
    flags = [module.training for module in classifier.modules()]
    random_state = torch.get_rng_state()
    images = torch.from_numpy(digits.pixels).permute(0, 3, 1, 2)
    found = probe(classifier, images, seconds=0.5)
    assert len(found.table) == 4
    assert all(row["images_per_second"] > 0 for row in found.table)
    chosen = {"precision": found.precision, "memory_format": found.memory_format}
    assert {**chosen, "images_per_second": found.images_per_second} in found.table
    assert found.precision in found.sentence
    assert f"{found.images_per_second:,.0f}" in found.sentence
    fp32 = max(r["images_per_second"] for r in found.table if r["precision"] == "fp32")
    assert found.images_per_second >= fp32
    assert same_tensors(before, classifier.state_dict()) == []
    assert [module.training for module in classifier.modules()] == flags
    assert all(parameter.grad is None for parameter in classifier.parameters())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_probe_keeps_what_was_asked_for():
    digits = Digits(0, 32)
    images = torch.from_numpy(digits.pixels).permute(0, 3, 1, 2)
    options = {"precision": "fp32", "memory_format": "contiguous"}
    found = probe(SmallClassifier(digits), images, seconds=0.1, **options)
    assert (found.precision, found.memory_format) == ("fp32", "contiguous")
    assert len(found.table) == 1
    with pytest.raises(InputError, match="memory format"):
        probe(SmallClassifier(digits), images, memory_format="nchw")


def test_probe_does_without_bf16_where_it_cannot_run():
    class Refuses(SmallClassifier):
        def __init__(self, subset):
            super().__init__(subset)
            self.network.body[0].register_forward_pre_hook(refuse)

    def refuse(module, inputs):
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("not implemented for 'BFloat16'")

    digits = Digits(0, 32)
    images = torch.from_numpy(digits.pixels).permute(0, 3, 1, 2)
    found = probe(Refuses(digits), images, seconds=0.2)
    assert found.precision == "fp32"
    assert [row["images_per_second"] > 0 for row in found.table] == [True, True, False, False]


def test_probing_threads_sets_what_it_returns_and_draws_nothing():
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    try:
        chosen = machine.probe_threads(2, seconds=0.05)
        assert chosen in (1, 2)
        assert torch.get_num_threads() == chosen
        assert machine.probe_threads(1) == 1
        assert torch.equal(before, torch.get_rng_state())
    finally:
        torch.set_num_threads(threads)
