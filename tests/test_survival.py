"""What a run meets in the world: full disks, vanished files, no memory, numbers that explode."""

import json
import math
import os
import signal
import subprocess
import sys

import pytest

from digit_files import write_digits

QUICK = ["--precision", "fp32", "--threads", "1", "--memory-format", "contiguous", "--quiet"]
SMALL = ["--model", "logistic", "--epochs", "1", *QUICK]


def record_of(out):
    return [json.loads(line) for line in (out / "record.jsonl").read_text().splitlines()]


def train(processes, out, *options, **how):
    ended = processes.run("train", "digits", "--out", out, *options, **how)
    assert "Traceback" not in ended.err
    return ended


def limit_files(num_bytes):
    """No file may grow beyond this: what a full disk does, at a place of our choice."""
    return f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({num_bytes}, -1))"


@pytest.mark.skipif(sys.platform != "linux", reason="limits of this kind")
def test_no_room_for_the_checkpoint(processes, tmp_path):
    out = tmp_path / "out"
    ended = train(processes, out, "--model", "lenet", *QUICK, before=limit_files(50_000))
    assert ended.status == 1
    assert "checkpoint of step 0 could not be written" in ended.err
    assert not list((out / "checkpoint").iterdir())
    # With room again, the same run goes on.
    ended = processes.run("train", "--resume", out, "--quiet")
    assert ended.status == 0, ended.err


@pytest.mark.skipif(sys.platform != "linux", reason="limits of this kind")
@pytest.mark.parametrize("limit", [30_000, 45_000, 100_000])
def test_no_room_at_the_end(processes, tmp_path, limit):
    """The disk fills while record, model, export or report are written."""
    out = tmp_path / "out"
    ended = train(processes, out, *SMALL, "--epochs", "4", before=limit_files(limit))
    assert ended.status == 1, ended
    assert len(ended.err.splitlines()) == 1
    assert not (out / "summary.json").exists()
    for name in ("model.onnx", "report.html", "model.safetensors", "report.json"):
        assert not (out / name).exists() or (out / name).stat().st_size < limit
    again = processes.run("train", "--resume", out, "--quiet")
    assert again.status == 0, again.err
    steps = [line["step"] for line in record_of(out) if line["kind"] == "step"]
    assert steps == list(range(1, len(steps) + 1))


@pytest.mark.skipif(sys.platform != "linux", reason="limits of this kind")
def test_no_room_at_the_beginning(processes, tmp_path):
    ended = train(processes, tmp_path / "out", *SMALL, before=limit_files(9_000))
    assert ended.status == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a file system")
def test_full_file_system(processes, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", disk])
    if mounted.returncode:
        pytest.skip("may not mount")
    try:
        ended = train(processes, disk / "out", "--model", "lenet", "--epochs", "2", *QUICK)
        assert ended.status == 1
        assert "full" in ended.err
        last = disk / "out" / "checkpoint" / "last.safetensors"
        assert last.exists()
        subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
        again = processes.run("train", "--resume", disk / "out", "--quiet")
        assert again.status == 0, again.err
    finally:
        subprocess.run(["umount", disk], check=True)


def test_diverged_run(processes, tmp_path):
    out = tmp_path / "out"
    ended = train(processes, out, "--model", "lenet", "--lr", "1e10", "--epochs", "3", *QUICK)
    assert ended.status == 1
    assert "The loss became" in ended.err
    assert "smaller --lr" in ended.err
    lines = record_of(out)
    assert [line["rule"] for line in lines if line["kind"] == "finding"] == ["non-finite"]
    assert not math.isfinite([line["loss"] for line in lines if line["kind"] == "step"][-1])
    assert sorted(os.listdir(out / "checkpoint")) == ["last.safetensors"]
    again = processes.run("train", "--resume", out, "--quiet")
    assert again.status == 1
    assert "The loss became" in again.err


def test_diverged_late_keeps_the_last_good_state(processes, tmp_path):
    """Weights that are no numbers are not saved over those that are."""
    from safetensors.torch import load_file

    out = tmp_path / "out"
    options = ["--model", "lenet", "--lr", "1e20", "--warmup", "1", "--clip-norm", "1e38"]
    options += ["--optimizer", "sgd", "--schedule", "constant", "--weight-decay", "0"]
    ended = train(processes, out, *options, *QUICK, "--checkpoint-every", "0s", "--epochs", "2")
    assert ended.status == 1, ended
    tensors = load_file(out / "checkpoint" / "last.safetensors")
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_update_that_ends_in_no_numbers(processes, tmp_path):
    """The very last update breaks the weights: no later step is there to notice."""
    data = write_digits(tmp_path / "data", each=3)
    out = tmp_path / "out"
    options = ["--model", "logistic", "--optimizer", "sgd", "--epochs", "2", "--warmup", "0.01"]
    options += ["--lr", "1e20", "--weight-decay", "1e10", "--schedule", "constant"]
    ended = processes.run("train", data, "--out", out, *options, *QUICK)
    assert ended.status == 1, ended
    assert "no finite numbers after step 2" in ended.err
    assert "Traceback" not in ended.err
    assert not (out / "model.onnx").exists()


def test_file_that_vanishes_while_reading(processes, tmp_path):
    data = write_digits(tmp_path / "data")
    vanish = (
        "import os, steadygrad.images.dataset as dataset\n"
        "real = dataset.open_source\n"
        "def listed(*arguments, **options):\n"
        "    source = real(*arguments, **options)\n"
        "    os.remove(source.path(0))\n"
        "    return source\n"
        "dataset.open_source = listed\n"
    )
    ended = processes.run("train", data, "--out", tmp_path / "out", *SMALL, before=vanish)
    assert ended.status == 0, ended.err
    assert "broken-images" in ended.out
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [f["numbers"]["broken"] for f in summary["findings"]] == [1]


def test_files_that_vanish_before_the_proof(processes, tmp_path):
    """Training reads its cache; the proof wants the files, and takes those still there."""
    data = write_digits(tmp_path / "data")
    vanish = (
        "import pathlib, steadygrad.fit.finish as finish\n"
        "real = finish.export\n"
        "def export(classifier, path):\n"
        f"    for file in sorted(pathlib.Path({str(data)!r}).rglob('*.png'))[::2]: file.unlink()\n"
        "    real(classifier, path)\n"
        "finish.export = export\n"
    )
    ended = processes.run("train", data, "--out", tmp_path / "out", *SMALL, before=vanish)
    assert ended.status == 0, ended.err
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert 10 < summary["parity"]["num_files"] < 60


@pytest.mark.skipif(sys.platform != "linux", reason="limits of this kind")
def test_out_of_memory(processes, tmp_path):
    """Real allocations fail: the address space may grow by little more than is in use."""
    limit = (
        "import resource\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + {extra} * 2**20, -1))\n"
    )
    out = tmp_path / "out"
    options = ["--model", "mlp", "--width", "3000", "--depth", "3", "--epochs", "1", *QUICK]
    ended = train(processes, out, *options, before=limit.format(extra=250))
    assert ended.status in (1, 2), ended
    assert "memory" in ended.err
    assert "smaller" in ended.err
    data = write_digits(tmp_path / "data", each=100)
    ended = processes.run(
        *("train", data, "--out", tmp_path / "b", "--image-size", "1024", *SMALL),
        before=limit.format(extra=100),
    )
    assert ended.status in (1, 2), ended
    assert "Traceback" not in ended.err
    assert "memory" in ended.err


def test_out_of_memory_of_a_graphics_card_is_told_by_its_name():
    import torch

    from steadygrad.cli import out_of_memory

    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert out_of_memory(MemoryError())
    assert not out_of_memory(RuntimeError("shapes cannot be multiplied"))


def test_bugs_show_their_traceback(processes, tmp_path):
    """Only what a user can cause is put in a sentence."""
    bug = (
        "import sys\n"
        "def prepare(*arguments): raise RuntimeError('a bug')\n"
        "sys.modules['steadygrad.fit.run'].prepare = prepare\n"
    )
    ended = processes.run("train", "digits", "--out", tmp_path / "out", *SMALL, before=bug)
    assert "RuntimeError: a bug" in ended.err
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name != "posix", reason="locks of this kind")
def test_two_runs_in_one_folder(processes, tmp_path):
    from filelock import FileLock

    out = tmp_path / "out"
    small = ["--model", "logistic", "--epochs", "1", *QUICK]
    last = out / "checkpoint" / "last.safetensors"
    train(processes, out, *small, wait_for=last, then=signal.SIGKILL)
    with FileLock(out / "lock"):  # as the first run holds it
        for arguments in (
            ("train", "digits", "--out", out, "--overwrite", *small),
            ("train", "--resume", out),
            ("export", out),
        ):
            ended = processes.run(*arguments)
            assert ended.status == 2
            assert "Another run is writing" in ended.err
    assert last.exists()
    assert processes.run("train", "--resume", out, "--quiet").status == 0


def test_closed_standard_streams(processes, tmp_path):
    close = "import os; os.close(1)"
    ended = train(processes, tmp_path / "out", *SMALL, before=close)
    assert ended.status == 1
    assert (tmp_path / "out" / "summary.json").exists()


def test_reader_of_progress_that_goes_away(processes, tmp_path):
    broken = "import os; r, w = os.pipe(); os.close(r); os.dup2(w, 2); os.dup2(w, 1)"
    loud = [option for option in SMALL if option != "--quiet"]
    ended = train(processes, tmp_path / "out", *loud, before=broken)
    assert ended.status == 1
