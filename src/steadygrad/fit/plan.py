"""What a time budget buys on this machine: resolution and width before, steps after building."""

from __future__ import annotations

import copy
import math
import time

import torch

from steadygrad import machine, recipes
from steadygrad.fit.budget import MARGIN, Budget
from steadygrad.fit.job import Job, Show
from steadygrad.fit.prepare import Prepared
from steadygrad.images.cache import probe_headers
from steadygrad.images.dataset import choose_channels, choose_size
from steadygrad.images.source import Source, open_source
from steadygrad.models.build import build_network
from steadygrad.models.classifier import Classifier
from steadygrad.models.summary import layer_table, total
from steadygrad.preprocess import Preprocess
from steadygrad.record import Event, Recipe
from steadygrad.train import start, train

RESERVE_SECONDS = 8.0
"""Writing the export and the report takes about this long ..."""
RESERVE_EVALUATIONS = 1.2
"""... and scoring a held-out picture in fp32 this many times its training step."""
DECODE_SECONDS = 1.5e-3
"""Per file and core, for files of about 500 pixels; arrays need none."""
STARTUP_SECONDS = 10.0
"""Probes, preprocessing and whitening before the first step."""
COST_EXPONENT = 0.85
"""Time grows a little slower than multiply-adds: wide layers use a core better."""


def fit_budget(job: Job, recipe: Recipe, show: Show, *, started: float) -> Recipe:
    """Choose width and resolution of `--model auto` for the time the user gave.

    One network of the ladder is timed on made-up pictures; the others are scaled by their
    multiply-adds. Taken is the first, largest one whose run sees its pictures often enough.
    """
    if not recipe.budget_seconds or recipe.model != "auto" or recipe.start_from:
        return recipe
    source = open_source(job.data, job.data_root)
    headers = [header for header in probe_headers(source) if header is not None]
    size = recipe.image_size or choose_size(source, headers)
    channels = recipe.channels or choose_channels(headers)
    num_images = num_training_pictures(source, recipe)
    rungs = recipes.ladder(recipe, size, channels, num_images)
    if len(rungs) == 1:
        return rungs[0].recipe
    show.stage("timing")
    decoding = 0.0 if source.arrays is not None else len(source.names) * DECODE_SECONDS
    spent = time.monotonic() - started + decoding / recipe.threads + STARTUP_SECONDS
    seconds = (recipe.budget_seconds - spent - RESERVE_SECONDS) * (1 - MARGIN)
    num_classes = len(source.classes)
    costs = [_multiply_adds(rung.recipe, num_classes) for rung in rungs]
    base = min(
        range(len(rungs)), key=lambda place: abs(costs[place] - sorted(costs)[len(costs) // 2])
    )
    speed = _images_per_second(rungs[base].recipe, num_classes)
    for place, rung in enumerate(rungs):
        relative = (costs[place] / costs[base]) ** COST_EXPONENT
        epochs = seconds * speed / relative / max(1, num_images)
        if epochs >= rung.fewest_epochs or place == len(rungs) - 1:
            return rung.recipe
    return recipe


def num_training_pictures(source: Source, recipe: Recipe) -> int:
    """About how many pictures a run will train on."""
    given = [split or "train" for split in source.splits] if any(source.splits) else []
    share = 1.0 - recipe.val_fraction * ("val" not in given)
    if not given:
        return int(len(source.names) * (1.0 - recipe.test_fraction) * share)
    return int(given.count("train") * share)


def _stand_in(recipe: Recipe, num_classes: int) -> Classifier:
    """A classifier of the recipe's network whose weights and statistics mean nothing."""
    size = recipe.train_size if recipe.train_size > 0 else recipe.image_size
    channels = recipe.channels
    preprocess = Preprocess("channel-mean-std", (channels, size, size))
    with torch.random.fork_rng(devices=[]):
        network = build_network(recipe, num_classes, channels, size)
    return Classifier(preprocess, network, [], size, channels, "squash", {})


def _multiply_adds(recipe: Recipe, num_classes: int) -> int:
    return total(layer_table(_stand_in(recipe, num_classes)))["multiply_adds"]


def _images_per_second(recipe: Recipe, num_classes: int) -> float:
    classifier = _stand_in(recipe, num_classes)
    shape = (recipe.batch_size, recipe.channels, classifier.image_size, classifier.image_size)
    pixels = torch.zeros(shape, dtype=torch.uint8)
    found = machine.probe(classifier, pixels, recipe.device, seconds=2.0)
    return found.images_per_second


def plan_budget(prepared: Prepared, started: float, show: Show) -> Budget | None:
    """Choose the number of steps for the time the user gave; None without a budget."""
    recipe, state = prepared.recipe, prepared.state
    if not recipe.budget_seconds:
        return None
    full = measure_step(prepared, progress=1.0)
    low = measure_step(prepared, progress=0.0) if recipe.low_resolution else full
    per_image = full / recipe.batch_size
    scored = len(prepared.images.val) + len(prepared.images.test)
    reserve = RESERVE_SECONDS + RESERVE_EVALUATIONS * per_image * scored
    budget = Budget(started + recipe.budget_seconds, reserve, recipe.low_resolution, low / full)
    state.total_steps = budget.steps_that_fit(full)
    epochs = max(1, math.ceil(state.total_steps / state.steps_per_epoch))
    prepared.recipe = recipe.replace(epochs=epochs)
    text = (
        f"{1 / per_image:,.0f} images/s: {state.total_steps} steps, "
        f"{state.total_steps / state.steps_per_epoch:.1f} epochs, fit into the budget."
    )
    prepared.record.add(Event(0, "budget", text, {"total_steps": state.total_steps}))
    show.say(text)
    return budget


def measure_step(prepared: Prepared, *, progress: float, seconds: float = 1.5) -> float:
    """Seconds of a whole training step, data included, at a place in the run; on a copy."""
    state = start(copy.deepcopy(prepared.classifier), prepared.recipe, len(prepared.batches))
    # Just before the end: the resolution is full, and progress has no room to move.
    state.progress = min(progress, 1.0 - 1e-6)
    times: list[float] = []
    began = last = time.monotonic()
    steps = train(state, prepared.batches, prepared.recipe)
    for _ in steps:
        now = time.monotonic()
        times.append(now - last)
        last = now
        if len(times) >= 3 and (now - began > seconds or len(times) >= 16):
            break
    steps.close()
    settled = sorted(times[1:]) or times
    return settled[len(settled) // 2]
