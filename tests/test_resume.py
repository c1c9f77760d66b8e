"""A run that is killed, stopped or starved goes on as if nothing had been."""

import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys

import pytest

from digit_files import write_digits

QUICK = shlex.split("--precision fp32 --memory-format contiguous --threads 1 --seed 3 --quiet")
CONFIGURATIONS = {
    "dropout, averaging, mixup": (
        "--model mlp --width 64 --depth 2 --dropout 0.3 --average-decay 0.97 --mixup 0.4 "
        "--clip-norm 1 --optimizer adamw --lr 0.003 --epochs 3 --batch-size 48"
    ),
    "bf16": (
        "--model resnet8 --width 8 --precision bf16 --memory-format channels_last --cutmix 1 "
        "--flip random --epochs 2 --batch-size 40"
    ),
    "defaults": "--model fast --width 8 --epochs 2",
    "early stopping": "--model lenet --epochs 30 --patience 2 --lr 0.05",
    "weights and whitening": (
        "--model resnet8 --width 8 --norm group --preprocess zca-whiten --class-weights balanced "
        "--optimizer muon --trivial 0.5 --erasing 0.3 --rotation 10 --colour 0.3 --epochs 2"
    ),
    "inverse root, label smoothing, Adagrad": (
        "--model lenet --optimizer adagrad --schedule inverse-sqrt --warmup 0.2 "
        "--label-smoothing 0.1 --epochs 3"
    ),
}


def train(processes, out, *options, **how):
    return processes.run("train", "digits", "--out", out, *QUICK, *options, **how)


def until_weights(processes, out, *arguments):
    """Run up to the written weights, and spare the rest."""
    ended = processes.run(*arguments, wait_for=out / "model.safetensors", pause=0.001)
    assert (out / "model.safetensors").exists(), ended
    return (out / "model.safetensors").read_bytes()


def lines_of(out):
    return [json.loads(line) for line in (out / "record.jsonl").read_text().splitlines()]


def assert_each_step_once(out):
    lines = lines_of(out)
    steps = [line["step"] for line in lines if line["kind"] == "step"]
    assert steps == list(range(1, len(steps) + 1))
    epochs = [line["step"] for line in lines if line["kind"] == "epoch"]
    assert epochs == sorted(set(epochs))
    return len(steps)


def steps_per_epoch(out):
    return next(line["step"] for line in lines_of(out) if line.get("epoch") == 1) - 1


def kill_and_resume(processes, folder, name, kills, seed):
    """Kill a run at random moments until it has been killed often enough; then let it end."""
    chance = random.Random(seed)
    options, out = shlex.split(CONFIGURATIONS[name]), folder / "killed"
    whole = folder / "whole"
    expected = until_weights(processes, whole, "train", "digits", "--out", whole, *QUICK, *options)
    begin = ["train", "digits", "--out", out, *QUICK, *options]
    reached = []
    for _ in range(kills):
        started = (out / "recipe.json").exists()
        arguments = ["train", "--resume", out, "--quiet"] if started else begin
        checkpoint = out / "checkpoint" / "last.safetensors"
        often = ["--checkpoint-every", chance.choice(["0s", "0.02s", "0.1s"])]
        # Sometimes counted from the start, so that it dies before its first checkpoint.
        from_start = chance.random() < 0.3
        processes.run(
            *arguments,
            *often,
            wait_for=None if from_start else checkpoint,
            pause=chance.uniform(0.05, 0.6) if from_start else chance.uniform(0.0, 0.4),
        )
        if (out / "model.safetensors").exists():
            break
        reached.append(len(lines_of(out)) if (out / "record.jsonl").exists() else 0)
    if not (out / "model.safetensors").exists():
        started = (out / "recipe.json").exists()
        again = ["train", "--resume", out, "--quiet"] if started else begin
        assert until_weights(processes, out, *again) == expected
    assert (out / "model.safetensors").read_bytes() == expected
    assert assert_each_step_once(out) == assert_each_step_once(whole)
    return reached


@pytest.mark.parametrize("name", list(CONFIGURATIONS)[:3])
def test_killed_run_ends_with_the_same_weights(processes, tmp_path, name):
    kill_and_resume(processes, tmp_path, name, kills=4, seed=name)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_killed_run_ends_with_the_same_weights_often(processes, tmp_path, name, seed):
    kill_and_resume(processes, tmp_path, name, kills=12, seed=f"{name} {seed}")


def test_stopped_run_says_how_to_go_on_and_ends_like_the_whole_one(processes, tmp_path):
    options = shlex.split(CONFIGURATIONS["dropout, averaging, mixup"])
    whole, out = tmp_path / "whole", tmp_path / "sto pped"
    expected = until_weights(processes, whole, "train", "digits", "--out", whole, *QUICK, *options)
    first = processes.run(
        *("train", "digits", "--out", out.name, *QUICK, *options),
        cwd=tmp_path,
        wait_for=out / "checkpoint" / "last.safetensors",
        then=signal.SIGTERM,
        pause=0.02,
    )
    assert first.status == 143
    assert "everything is saved" in first.err
    assert "--resume 'sto pped'" in first.err
    assert "Traceback" not in first.err
    second = processes.run(
        *("train", "--resume", out, "--checkpoint-every", "0s", "--quiet"),
        wait_for=out / "checkpoint" / "last.safetensors",
        then=signal.SIGINT,
        cwd="/",
    )
    assert second.status == 130
    assert not (out / "model.safetensors").exists()
    last = processes.run("train", "--resume", os.path.relpath(out, tmp_path), cwd=tmp_path)
    assert last.status == 0, last.err
    assert (out / "model.safetensors").read_bytes() == expected
    assert "Resumed at step" in last.err
    assert (out / "report.html").exists()
    assert json.loads((out / "summary.json").read_text())["steps"] == assert_each_step_once(out)
    again = processes.run("train", "--resume", out)
    assert again.status == 2
    assert "finished" in again.err


def test_stop_before_training_leaves_nothing(processes, tmp_path):
    ended = train(processes, tmp_path / "out", "--model", "fast", then=signal.SIGTERM, pause=0.1)
    assert ended.status == 143
    assert "before training" in ended.err
    assert not (tmp_path / "out").exists()


def test_stop_while_the_end_is_written(processes, tmp_path):
    out = tmp_path / "out"
    options = ["--model", "logistic", "--epochs", "1"]
    how = {"wait_for": out / "model.safetensors", "then": signal.SIGINT, "pause": 0.02}
    ended = train(processes, out, *options, **how)
    assert ended.status == 130
    assert "Stopped after training; the weights are saved" in ended.err
    assert len(ended.err.splitlines()) == 1
    assert processes.run("train", "--resume", out, "--quiet").status == 0


def test_kill_while_the_end_is_written(processes, tmp_path):
    out = tmp_path / "out"
    small = ["--model", "logistic", "--epochs", "1"]
    train(processes, out, *small, wait_for=out / "model.safetensors", pause=0.01)
    weights = (out / "model.safetensors").read_bytes()
    assert not (out / "summary.json").exists()
    processes.run("train", "--resume", out, wait_for=out / "report.json", pause=0)
    assert not (out / "summary.json").exists()
    ended = processes.run("train", "--resume", out)
    assert ended.status == 0, ended.err
    assert (out / "model.safetensors").read_bytes() == weights
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    assert_each_step_once(out)


def test_folder_of_a_run_killed_at_once_is_free_again(processes, tmp_path):
    out = tmp_path / "out"
    train(processes, out, "--model", "logistic", pause=0.05, then=signal.SIGKILL)
    assert not (out / "recipe.json").exists()
    refused = processes.run("train", "--resume", out)
    assert refused.status == 2
    small = ["--model", "logistic", "--epochs", "1"]
    until_weights(processes, out, "train", "digits", "--out", out, *QUICK, *small)


def test_budget_run_goes_on_to_its_planned_steps(processes, tmp_path):
    out = tmp_path / "out"
    options = ["--model", "lenet", "--budget", "20s", "--checkpoint-every", "0.2s"]
    last = out / "checkpoint" / "last.safetensors"
    ended = train(processes, out, *options, wait_for=last, pause=1.0, then=signal.SIGTERM)
    assert ended.status == 143, ended.err
    with open(last, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))["__metadata__"]["steadygrad"]
    saved = json.loads(header)
    assert saved["step"] < saved["total_steps"]
    # The end is far away at this pace: show with a nearer one that the plan comes from the
    # checkpoint, not from recipe.json.
    values = json.loads((out / "recipe.json").read_text())
    assert values["recipe"]["budget_seconds"] == 20
    values["total_steps"] = 1
    (out / "recipe.json").write_text(json.dumps(values))
    until_weights(processes, out, "train", "--resume", out, "--quiet")
    assert assert_each_step_once(out) == saved["total_steps"]


def test_resume_refuses_other_data(processes, tmp_path):
    data, out = write_digits(tmp_path / "data"), tmp_path / "out"
    options = [*QUICK, "--model", "lenet", "--epochs", "40", "--checkpoint-every", "0s"]
    last = out / "checkpoint" / "last.safetensors"
    processes.run("train", "data", "--out", out, *options, cwd=tmp_path, wait_for=last, pause=0.1)
    assert not (out / "model.safetensors").exists()
    kept = tmp_path / "kept.png"
    victim = next((data / "one").iterdir())
    shutil.move(victim, kept)
    refused = processes.run("train", "--resume", out)
    assert refused.status == 2
    assert "fingerprint" in refused.err
    shutil.rmtree(data / "two")
    assert processes.run("train", "--resume", out).status == 2
    shutil.rmtree(data)
    gone = processes.run("train", "--resume", out)
    assert gone.status == 2
    assert "There is no" in gone.err
    data = write_digits(tmp_path / "data")
    until_weights(processes, out, "train", "--resume", out, "--quiet")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="sets the cores of a process")
def test_resume_with_fewer_cores_gives_the_same_weights(processes, tmp_path):
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        pytest.skip("needs two cores")
    options = [*QUICK, *shlex.split(CONFIGURATIONS["defaults"]), "--threads", "2"]
    whole, out = tmp_path / "whole", tmp_path / "out"
    expected = until_weights(processes, whole, "train", "digits", "--out", whole, *options)
    last = out / "checkpoint" / "last.safetensors"
    often = ["--checkpoint-every", "0s"]
    processes.run("train", "digits", "--out", out, *options, *often, wait_for=last, pause=0.3)
    one_core = f"import os; os.sched_setaffinity(0, {{{cores[0]}}})"
    ended = processes.run(
        *("train", "--resume", out, "--quiet"),
        before=one_core,
        wait_for=out / "model.safetensors",
        pause=0.001,
    )
    assert (out / "model.safetensors").exists(), ended
    assert (out / "model.safetensors").read_bytes() == expected


def test_own_network_resumes_from_another_folder(processes, tmp_path):
    code = tmp_path / "code"
    code.mkdir()
    (code / "nets.py").write_text(
        "import torch.nn as nn\n"
        "def tiny(num_classes, in_channels=3):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64 * in_channels, 16), nn.ReLU(),"
        " nn.Linear(16, num_classes))\n"
    )
    for model in ("nets:tiny", "nets.py:tiny"):
        out = tmp_path / model.replace(":", "-")
        last = out / "checkpoint" / "last.safetensors"
        options = ["--model", model, "--epochs", "10", "--checkpoint-every", "0.05s"]
        train(processes, out, *options, cwd=code, wait_for=last, pause=0.05)
        assert not (out / "model.safetensors").exists()
        until_weights(processes, out, "train", "--resume", out, "--quiet")


@pytest.mark.slow
def test_a_real_process_survives_kill_9(tmp_path):
    """Once without the fork server: the installed command, with its own start."""
    environment = {**os.environ, "STEADYGRAD_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "steadygrad", "train"]
    out = tmp_path / "out"
    options = ["--model", "logistic", "--epochs", "60", "--checkpoint-every", "0s", *QUICK]
    process = subprocess.Popen(
        [*command, "digits", "--out", str(out), *options], env=environment, text=True
    )
    last = out / "checkpoint" / "last.safetensors"
    while not last.exists():
        assert process.poll() is None
    process.kill()
    assert process.wait() == -signal.SIGKILL
    process = subprocess.Popen([*command, "--resume", str(out), "--quiet"], env=environment)
    while not (out / "model.safetensors").exists():
        assert process.poll() is None
    process.kill()
    process.wait()
    assert assert_each_step_once(out) == 60 * steps_per_epoch(out)
