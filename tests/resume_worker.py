"""Trains on scanned digits in child processes and kills them: run by test_checkpoint.py.

A process of its own, with one compute thread, so that forking is safe: torch is imported once and
a child costs milliseconds.
"""

import json
import os
import random
import signal
import sys
import time
from functools import partial

import torch

from steadygrad import checkpoint
from steadygrad.record import Recipe
from steadygrad.train import start, train
from training_helpers import Digits, PlainBatches, SmallClassifier

RECIPE = Recipe(
    seed=5, epochs=12, optimizer="nesterov", lr=0.05, warmup=0.1, label_smoothing=0.1,
    average_decay=0.95,
)  # fmt: skip


def make_state():
    digits = Digits(0, 256)
    batches = PlainBatches(digits, seed=5, mixed=True)
    return start(SmallClassifier(digits), RECIPE, len(batches)), batches


def train_and_save(folder, signal_ready, pause=0.0):
    """Save every third step: a kill in between loses steps that must come out the same again."""
    state, batches = make_state()
    if checkpoint.path_of(folder).exists():
        assert checkpoint.load(folder, state)["step"] == state.step
    for step in train(state, batches, RECIPE):
        if step.step % 3 == 0 or not state.steps_left:
            checkpoint.save(folder, state, {"step": step.step})
            signal_ready()
        time.sleep(pause)


def only_save(folder, signal_ready):
    """No training between the saves: nearly every kill falls into one."""
    state, _ = make_state()
    while True:
        state.step += 1
        checkpoint.save(folder, state, {"step": state.step})
        signal_ready()


def run_child(job, *arguments, kill_after=None):
    """Run `job` in a child; kill it some seconds after its first checkpoint."""
    ready, write = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            job(*arguments, lambda: os.write(write, b"."))
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    os.read(ready, 1)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(ready)
    return status


def main(folder, job_name, num_kills, seed):
    torch.set_num_threads(1)
    chance = random.Random(seed)
    reached = []
    for number in range(num_kills):
        if job_name == "train":
            # The first child is slow: however busy the machine, the kill comes before its end.
            job = partial(train_and_save, pause=0.003 if number else 0.1)
            run_child(job, folder, kill_after=chance.uniform(0, 0.15))
        else:
            run_child(only_save, folder, kill_after=chance.uniform(0, 0.1))
        state, _ = make_state()
        assert checkpoint.load(folder, state)["step"] == state.step
        reached.append(state.step)
    status = run_child(train_and_save, folder) if job_name == "train" else 0
    print(json.dumps({"reached": reached, "status": status}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
