"""The beginning of a run: pictures, resolved recipe, classifier, the machine's ways."""

from __future__ import annotations

import csv
import io
import os
import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import torch

from steadygrad import machine, recipes
from steadygrad.build import build, initial_facts, make_batches
from steadygrad.errors import InputError
from steadygrad.fit.folder import RunFolder
from steadygrad.fit.job import Job, Show
from steadygrad.images.batches import Batches
from steadygrad.images.dataset import Images, load_images
from steadygrad.models.classifier import Classifier, read_model
from steadygrad.models.summary import layer_table
from steadygrad.optim import scaled_lr
from steadygrad.record import Event, Facts, Recipe, Record
from steadygrad.record.recipe import spelled
from steadygrad.record.store import write_text
from steadygrad.train import TrainingState, start

PACKAGES = ("steadygrad", "torch", "numpy", "pillow", "simplejpeg", "onnx", "onnxruntime")


@dataclass
class Prepared:
    """Everything a loop needs, and what the report wants to know of how it came about."""

    job: Job
    asked: Recipe
    recipe: Recipe
    images: Images
    classifier: Classifier
    batches: Batches
    state: TrainingState
    record: Record
    decode_seconds: float


def load_pictures(job: Job, recipe: Recipe, show: Show, *, to_train: bool = True) -> Images:
    """Open, decode, audit and split the data of a job; `to_train` asks for training pictures."""
    show.stage("reading pictures", total=1)
    return load_images(
        job.data,
        recipe,
        data_root=job.data_root,
        allow_broken=job.allow_broken,
        progress=show.advance,
        to_train=to_train,
    )


def use_machine(recipe: Recipe, *, to_train: bool = False) -> Recipe:
    """Set up allocator, device and threads; the recipe with what was chosen."""
    machine.keep_memory()
    device = machine.choose_device(recipe.device)
    threads = machine.choose_threads(recipe.threads)
    if recipe.threads or not to_train or device.type != "cpu":
        torch.set_num_threads(threads)
    else:
        threads = machine.probe_threads(threads)
    return recipe.replace(device=str(device), threads=threads)


def like_backbone(recipe: Recipe) -> Recipe:
    """With --from: the working size, channels, resizing, preprocessing and network of that run.

    Dropout may be asked for anew; anything else that contradicts that run is an InputError.
    """
    if not recipe.start_from:
        return recipe
    _, values = read_model(recipe.start_from)
    brought = {
        "image_size": int(values["image_size"]),
        "channels": int(values["channels"]),
        "resize": values["resize"],
        "preprocess": values["preprocess"]["name"],
        **values["model"],
    }
    if recipe.dropout:
        brought["dropout"] = recipe.dropout
    nothing_asked = Recipe()
    for name, value in brought.items():
        asked = getattr(recipe, name)
        if asked not in (value, getattr(nothing_asked, name)):
            raise InputError(
                f"--from '{recipe.start_from}' brings its own {spelled(name)}, {value}; --"
                f"{spelled(name)} {asked} can't be had with it. Leave that option out."
            )
    return recipe.replace(**brought)


def prepare(job: Job, asked: Recipe, recipe: Recipe, show: Show) -> Prepared:
    """Do everything that comes before the first step of a new run.

    `asked` is the recipe as the user gave it, `recipe` the same with the machine's ways.
    """
    recipe = like_backbone(recipe)
    began = time.monotonic()
    images = load_pictures(job, recipe, show)
    decode_seconds = time.monotonic() - began
    for note in images.notes:
        show.say(note)
    show.stage("choosing")
    recipe = recipes.resolve(recipe, images)
    classifier = build(recipe, images)
    record = Record()
    began = time.monotonic()
    batches = make_batches(recipe, images, show.advance)
    decode_seconds += time.monotonic() - began
    recipe = _probe(recipe, batches, classifier, record, show)
    prepared = _assemble(job, asked, recipe, images, classifier, batches, record)
    prepared.decode_seconds = decode_seconds
    if sentence := scaled_lr(recipe)[1]:
        record.add(Event(0, "rate scaled", sentence, {"lr": prepared.state.lr}))
        show.say(sentence)
    record.facts = facts_of(prepared)
    return prepared


def prepare_again(folder: RunFolder, values: dict[str, Any], show: Show) -> Prepared:
    """Rebuild the beginning of a run from its recipe.json, exactly; weights come from `load`."""
    recipe = Recipe.from_dict(values["recipe"])
    job = Job.from_dict({**values["job"], "out": str(folder.path)})
    recipe = use_machine(recipe)
    images = load_pictures(job, recipe, show)
    if images.fingerprint != values["data"]["fingerprint"]:
        raise InputError(
            f"The pictures in {job.data} are not those the run began with (their fingerprint "
            "changed). Put them back, or start a new run."
        )
    classifier = build(recipe, images)
    batches = make_batches(recipe, images)
    record = folder.load_record()
    asked = Recipe.from_dict(values["asked"])
    return _assemble(job, asked, recipe, images, classifier, batches, record)


def _assemble(
    job: Job,
    asked: Recipe,
    recipe: Recipe,
    images: Images,
    classifier: Classifier,
    batches: Batches,
    record: Record,
) -> Prepared:
    state = start(
        classifier, recipe, len(batches), class_counts=images.train.class_counts().tolist()
    )
    return Prepared(job, asked, recipe, images, classifier, batches, state, record, 0.0)


def _probe(
    recipe: Recipe, batches: Batches, classifier: Classifier, record: Record, show: Show
) -> Recipe:
    """Find the fastest precision and memory format on this machine."""
    if "auto" not in (recipe.precision, recipe.memory_format):
        return recipe
    found = machine.probe(
        classifier,
        batches.batch(0, 0).images,
        recipe.device,
        precision=recipe.precision,
        memory_format=recipe.memory_format,
        seconds=min(3.0, 0.02 * recipe.budget_seconds or 3.0),
    )
    record.add(Event(0, "probe", found.sentence, {"table": found.table}))
    show.say(found.sentence)
    return recipe.replace(precision=found.precision, memory_format=found.memory_format)


def facts_of(prepared: Prepared) -> Facts:
    """What is known of a run before its first step."""
    images, classifier = prepared.images, prepared.classifier
    shape = (classifier.channels, classifier.image_size, classifier.image_size)
    counts = {
        name: subset.class_counts().tolist()
        for name, subset in images.subsets().items()
        if len(subset)
    }
    return Facts(
        classes=list(images.classes),
        class_counts=counts,
        image_shape=list(shape),
        num_parameters=sum(parameter.numel() for parameter in classifier.network.parameters()),
        layers=layer_table(classifier, shape),
        audit=images.audit.to_dict(),
        initial=initial_facts(classifier, images.train, prepared.recipe),
        machine={
            "cpu": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "threads": prepared.recipe.threads,
            "device": prepared.recipe.device,
            "system": platform.platform(terse=True),
        },
    )


def recipe_file(prepared: Prepared) -> dict[str, Any]:
    """The content of recipe.json."""
    images = prepared.images
    return {
        "recipe": prepared.recipe.to_dict(),
        "asked": prepared.asked.to_dict(),
        "total_steps": prepared.state.total_steps,
        "job": prepared.job.to_dict(),
        "data": {
            "name": images.source.name,
            "fingerprint": images.fingerprint,
            "classes": list(images.classes),
            "pictures": {name: len(subset) for name, subset in images.subsets().items()},
        },
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Versions of what the run's numbers depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def write_splits(folder: RunFolder, images: Images) -> None:
    """Write which picture went where as splits.csv: path, label, split."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["path", "label", "split"])
    for name, indices in images.splits.items():
        for index in indices:
            label = images.classes[images.source.labels[index]]
            writer.writerow([images.source.names[index], label, name])
    write_text(folder.path / "splits.csv", text.getvalue())
