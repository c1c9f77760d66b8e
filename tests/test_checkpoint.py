import errno
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import resume_worker
from steadygrad import checkpoint
from steadygrad.errors import InputError, SteadygradError
from steadygrad.optim import OPTIMIZERS
from steadygrad.record import Recipe
from steadygrad.train import start, train
from training_helpers import Digits, PlainBatches, SmallClassifier, same_tensors

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def digits():
    return Digits(0, 256)


def begin(digits, recipe):
    batches = PlainBatches(digits, seed=recipe.seed, mixed=True)
    return start(SmallClassifier(digits), recipe, len(batches)), batches


def everything(state):
    """All tensors of a state, the optimiser's and the average's included."""
    tensors, values = checkpoint.flatten(state)
    return tensors, json.loads(json.dumps(values))


def assert_same_state(first, second):
    (tensors, values), (others, other_values) = everything(first), everything(second)
    assert same_tensors(tensors, others) == []
    assert values == other_values


def trained_in_pieces(digits, recipe, folder, cuts):
    """Stop after each number of steps in `cuts`, go on with nothing but what is on the disk."""
    state, batches = begin(digits, recipe)
    for cut in cuts:
        for step in train(state, batches, recipe):
            if step.step == cut:
                break
        checkpoint.save(folder, state, {"cut": cut})
        torch.rand(3)
        state, batches = begin(digits, recipe)
        assert checkpoint.load(folder, state) == {"cut": cut}
        assert state.step == cut
    for _ in train(state, batches, recipe):
        pass
    return state


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_resumed_training_is_bit_identical(digits, tmp_path, optimizer, precision):
    recipe = Recipe(seed=1, epochs=3, optimizer=optimizer, precision=precision, average_decay=0.9)
    recipe = recipe.replace(label_smoothing=0.1, warmup=0.2, schedule="cosine", clip_norm=1.0)
    whole, batches = begin(digits, recipe)
    for _ in train(whole, batches, recipe):
        pass
    chance = random.Random(f"{optimizer} {precision}")
    cuts = sorted(chance.sample(range(1, 24), 3))
    assert_same_state(whole, trained_in_pieces(digits, recipe, tmp_path, cuts))


def test_a_changed_length_is_part_of_the_checkpoint(digits, tmp_path):
    recipe = Recipe(seed=1, epochs=3, optimizer="adamw")
    states = []
    for stop in (False, True):
        state, batches = begin(digits, recipe)
        for step in train(state, batches, recipe):
            if step.step == 5:
                state.total_steps = 17
            if step.step == 9 and stop:
                break
        if stop:
            checkpoint.save(tmp_path, state, {})
            state, batches = begin(digits, recipe)
            checkpoint.load(tmp_path, state)
            for _ in train(state, batches, recipe):
                pass
        states.append(state)
    assert states[0].step == 17
    assert_same_state(*states)


def test_contiguous_weights_and_a_frozen_layer_resume_too(digits, tmp_path):
    recipe = Recipe(seed=2, epochs=2, optimizer="adamw", memory_format="contiguous")

    def frozen():
        state, batches = begin(digits, recipe)
        state.classifier.network.body[0].weight.requires_grad_(False)
        return state, batches

    whole, batches = frozen()
    for _ in train(whole, batches, recipe):
        pass
    part, batches = frozen()
    for step in train(part, batches, recipe):
        if step.step == 7:
            break
    checkpoint.save(tmp_path, part, {})
    part, batches = frozen()
    checkpoint.load(tmp_path, part)
    for _ in train(part, batches, recipe):
        pass
    assert_same_state(whole, part)


@pytest.mark.parametrize("cut", [5, 12, 13, 20])
def test_a_run_that_thaws_its_backbone_resumes_on_either_side(digits, tmp_path, cut):
    recipe = Recipe(seed=2, epochs=3, optimizer="momentum", freeze=0.5)
    whole, batches = begin(digits, recipe)
    for _ in train(whole, batches, recipe):
        pass
    assert_same_state(whole, trained_in_pieces(digits, recipe, tmp_path, [cut]))


def test_optimizer_memory_comes_back_in_the_layout_of_its_weight(digits, tmp_path):
    recipe = Recipe(epochs=1, optimizer="adam")
    state, batches = begin(digits, recipe)
    next(train(state, batches, recipe))
    checkpoint.save(tmp_path, state, {})
    state, batches = begin(digits, recipe)
    checkpoint.load(tmp_path, state)
    weight = state.classifier.network.body[3].weight
    assert weight.stride() == state.optimizer.state[weight]["exp_avg"].stride()
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_tied_weights_survive(digits, tmp_path):
    recipe = Recipe(epochs=1, optimizer="momentum")
    batches = PlainBatches(digits)

    def tied():
        classifier = SmallClassifier(digits)
        classifier.network.twin = torch.nn.Linear(16, 10)
        classifier.network.twin.weight = classifier.network.head.weight
        return start(classifier, recipe, len(batches))

    state = tied()
    next(train(state, batches, recipe))
    checkpoint.save(tmp_path, state, {})
    again = tied()
    checkpoint.load(tmp_path, again)
    network = again.classifier.network
    assert network.twin.weight is network.head.weight
    assert torch.equal(network.head.weight, state.classifier.network.head.weight)


def test_last_and_best_stand_side_by_side(digits, tmp_path):
    recipe = Recipe(epochs=1, optimizer="sgd")
    state, batches = begin(digits, recipe)
    running = train(state, batches, recipe)
    next(running)
    checkpoint.save(tmp_path, state, {"accuracy": 0.5}, name="best")
    next(running)
    checkpoint.save(tmp_path, state, {"history": [1.0, None]})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best.safetensors",
        "last.safetensors",
    ]
    assert checkpoint.load(tmp_path, state, name="best") == {"accuracy": 0.5}
    assert state.step == 1
    assert checkpoint.load(tmp_path, state) == {"history": [1.0, None]}
    assert state.step == 2


@pytest.mark.parametrize("call", ["fsync", "replace", "write"])
def test_a_full_disk_keeps_the_old_one(digits, tmp_path, monkeypatch, call):
    recipe = Recipe(epochs=1, optimizer="momentum")
    state, batches = begin(digits, recipe)
    running = train(state, batches, recipe)
    next(running)
    checkpoint.save(tmp_path, state, {"good": True})
    next(running)

    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if call == "write":
        limit_file_size(monkeypatch, tmp_path)
    else:
        monkeypatch.setattr(os, call, full)
    with pytest.raises(SteadygradError, match=r"step 2 .* still good"):
        checkpoint.save(tmp_path, state, {"good": False})
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["last.safetensors"]
    again, _ = begin(digits, recipe)
    assert checkpoint.load(tmp_path, again) == {"good": True}
    assert again.step == 1


def limit_file_size(monkeypatch, folder):
    """Let the operating system itself refuse: no file may grow beyond 4 KiB."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    real = monkeypatch.undo

    def undo():
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
        real()

    monkeypatch.undo = undo


def test_a_folder_that_cannot_be_made_is_told(digits, tmp_path):
    (tmp_path / "file").write_text("in the way")
    state, _ = begin(digits, Recipe(epochs=1))
    with pytest.raises(SteadygradError, match="choose another --out"):
        checkpoint.save(tmp_path / "file" / "checkpoint", state, {})


def test_what_cannot_be_resumed_is_told(digits, tmp_path):
    recipe = Recipe(epochs=1, optimizer="adam")
    state, batches = begin(digits, recipe)
    with pytest.raises(InputError, match="There is no checkpoint"):
        checkpoint.load(tmp_path, state)
    next(train(state, batches, recipe))
    path = checkpoint.save(tmp_path, state, {})
    other = start(SmallClassifier(digits, width=4), recipe, len(batches))
    with pytest.raises(InputError, match="another network"):
        checkpoint.load(tmp_path, other)
    with pytest.raises(InputError, match="optimiser is Adam, here it is SGD"):
        checkpoint.load(tmp_path, begin(digits, recipe.replace(optimizer="sgd"))[0])
    with pytest.raises(InputError, match="steps per epoch is 8, here it is 9"):
        checkpoint.load(tmp_path, start(SmallClassifier(digits), recipe, 9))
    with pytest.raises(InputError, match="averaging is False, here it is True"):
        checkpoint.load(tmp_path, begin(digits, recipe.replace(average_decay=0.9))[0])
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"not a checkpoint" * 100):
        path.write_bytes(content)
        with pytest.raises(SteadygradError, match="damaged"):
            checkpoint.load(tmp_path, begin(digits, recipe)[0])


def kill_children(folder, job, num_kills, seed=0):
    environment = {**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE / "resume_worker.py"), folder, job, num_kills, seed]
    done = subprocess.run(
        [str(part) for part in command], env=environment, stdout=subprocess.PIPE, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("num_kills", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_kill_nine_at_random_moments_and_resume_ends_in_the_same_weights(tmp_path, num_kills):
    told = kill_children(tmp_path, "train", num_kills)
    assert told["status"] == 0
    assert told["reached"] == sorted(told["reached"])
    assert told["reached"][0] < 96  # of 96 steps: the first kill, at least, came before the end
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    whole, batches = resume_worker.make_state()
    for _ in train(whole, batches, resume_worker.RECIPE):
        pass
    torch.set_num_threads(threads)
    state, _ = resume_worker.make_state()
    checkpoint.load(tmp_path, state)
    assert_same_state(whole, state)


@pytest.mark.parametrize("num_kills", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_killed_while_saving_leaves_a_whole_one(tmp_path, num_kills):
    told = kill_children(tmp_path, "save", num_kills, seed=1)
    assert min(told["reached"]) >= 1
    # what dead processes left half-written goes with the next save
    state, _ = resume_worker.make_state()
    checkpoint.save(tmp_path, state, {})
    assert [path.name for path in tmp_path.iterdir()] == ["last.safetensors"]
