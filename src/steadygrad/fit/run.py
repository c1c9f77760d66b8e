"""What the commands call: run, resume, evaluate a model, export again."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from steadygrad import checkpoint, rules
from steadygrad.build import build
from steadygrad.errors import InputError
from steadygrad.evaluate import evaluate
from steadygrad.fit.finish import export_and_prove, finish
from steadygrad.fit.folder import RunFolder
from steadygrad.fit.job import Job, Show, Silent, find_code, with_absolute_paths
from steadygrad.fit.loop import Loop
from steadygrad.fit.plan import fit_budget, plan_budget
from steadygrad.fit.prepare import (
    Prepared,
    like_backbone,
    load_pictures,
    prepare,
    prepare_again,
    recipe_file,
    use_machine,
    versions,
    write_splits,
)
from steadygrad.fit.progress import Progress
from steadygrad.fit.signals import StopSignals
from steadygrad.images.dataset import Images, Subset
from steadygrad.models.classifier import Classifier
from steadygrad.models.summary import NOTE, layer_table, total
from steadygrad.record import Recipe
from steadygrad.report.text import findings_text
from steadygrad.report.words import percent, plural


def run(job: Job, asked: Recipe, *, show: Show | None = None) -> dict[str, Any]:
    """Do the whole job of `steadygrad train DATA`; returns the content of summary.json.

    Raises InputError for arguments or data that can't be used, SteadygradError when the work
    fails; the run folder then holds the last good state.
    """
    started = time.monotonic()
    show = show or Silent()
    asked.check()
    if asked.freeze and not asked.start_from:
        raise InputError("--freeze holds a trained backbone fixed: give one with --from RUN.")
    asked = with_absolute_paths(asked)
    name = Path(job.data).resolve().name if os.path.exists(job.data) else job.data
    with (
        RunFolder.create(job.out, name, overwrite=job.overwrite) as folder,
        StopSignals() as signals,
    ):
        recipe = fit_budget(job, use_machine(asked, to_train=True), show, started=started)
        prepared = prepare(job, asked, recipe, show)
        budget = plan_budget(prepared, started, show)
        folder.clear()
        write_splits(folder, prepared.images)
        folder.save_record(prepared.record)
        folder.write_json("recipe.json", recipe_file(prepared))  # last: from here it is a run
        _introduce(prepared, folder, show)
        loop = Loop(folder, prepared, show, budget)
        loop.run(signals)
        return finish(loop, started=started)


def resume(
    path: str,
    *,
    checkpoint_seconds: float | None = None,
    on_fault: str | None = None,
    watch: bool | None = None,
    show: Show | None = None,
) -> dict[str, Any]:
    """Go on with an interrupted run, exactly where its last checkpoint stands.

    A run with a budget takes the number of steps it had planned: the time is spent already.
    """
    started = time.monotonic()
    show = show or Silent()
    with RunFolder.open(path) as folder, StopSignals() as signals:
        if (folder.path / "summary.json").exists():
            raise InputError(f"The run in '{path}' is finished; there is nothing to go on with.")
        signals.message = "Stopped before training went on; the run is as it was."
        values = folder.read_json("recipe.json", "recipe", "asked", "total_steps", "job", "data")
        asked = {"checkpoint_seconds": checkpoint_seconds, "on_fault": on_fault, "watch": watch}
        values["job"] |= {name: value for name, value in asked.items() if value is not None}
        _compare_versions(values.get("versions", {}), show)
        find_code(values)
        prepared = prepare_again(folder, values, show)
        prepared.state.total_steps = values["total_steps"]
        extra: dict[str, Any] = {"progress": {}}
        if checkpoint.path_of(folder.path / "checkpoint").exists():
            extra = checkpoint.load(folder.path / "checkpoint", prepared.state)
        prepared.record.drop_after(prepared.state.step)
        folder.save_record(prepared.record)
        loop = Loop(folder, prepared, show, progress=Progress(**extra["progress"]))
        loop.tell("resumed", f"Resumed at step {prepared.state.step}.")
        loop.run(signals)
        return finish(loop, started=started)


def _compare_versions(before: dict[str, str], show: Show) -> None:
    """Say where another version may make the resumed run differ from an uninterrupted one."""
    changed = [
        f"{name} {before[name]} → {now}"
        for name, now in versions().items()
        if before.get(name, now) != now
    ]
    if changed:
        show.say(f"Versions changed since the run began ({', '.join(changed)}): numbers may too.")


def _introduce(prepared: Prepared, folder: RunFolder, show: Show) -> None:
    """Say what will be trained on what, and what is already known to be wrong."""
    images, recipe, state = prepared.images, prepared.recipe, prepared.state
    counts = ", ".join(f"{len(part)} {name}" for name, part in images.subsets().items())
    show.say(f"{images.source.name}: {len(images.classes)} classes, {counts} pictures")
    show.say(
        f"{recipe.model}, {prepared.record.facts.num_parameters:,} parameters, "
        f"{prepared.classifier.image_size}×{prepared.classifier.image_size} pixels, "
        f"{plural(state.total_steps, 'step')} of {recipe.batch_size} pictures, "
        f"{recipe.optimizer} at {state.lr:.3g} → {folder.path}"
    )
    if recipe.start_from:
        frozen = f", frozen for the first {percent(recipe.freeze)} of the run" * bool(recipe.freeze)
        show.say(f"backbone and preprocessing ({recipe.preprocess}) of {recipe.start_from}{frozen}")
    findings = rules.run(prepared.record)
    if findings:
        show.say(findings_text(findings))


def layer_summary(job: Job, asked: Recipe, *, show: Show | None = None) -> str:
    """The layer table of the network a run would train, as text."""
    from steadygrad import recipes

    asked.check()
    recipe = like_backbone(use_machine(asked))
    images = load_pictures(job, recipe, show or Silent())
    classifier = build(recipes.resolve(recipe, images), images)
    rows = layer_table(classifier)
    rows.append(total(rows))
    cells = [("layer", "kind", "output shape", "parameters", "multiply-adds")]
    cells += [
        (
            row["name"],
            row["kind"],
            "×".join(str(size) for size in row["output_shape"]),
            f"{row['parameters']:,}",
            f"{row['multiply_adds']:,}",
        )
        for row in rows
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(5)]
    lines = [
        f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}  {e:>{widths[4]}}"
        for a, b, c, d, e in cells
    ]
    return "\n".join([*lines, "", NOTE])


def export_again(path: str, *, show: Show | None = None) -> dict[str, Any]:
    """Write a finished run's model.onnx again and prove it on the run's own pictures."""
    show = show or Silent()
    with RunFolder.open(path) as folder:
        values = folder.read_json("recipe.json", "recipe", "job")
        find_code(values)
        recipe = use_machine(Recipe.from_dict(values["recipe"]))
        classifier = Classifier.load(folder.path)
        images = load_pictures(Job.from_dict(values["job"]), recipe, show)
        show.stage("exporting model.onnx and proving it")
        parity = export_and_prove(classifier, images, folder.path).to_dict()
        if (folder.path / "summary.json").exists():
            summary = folder.read_json("summary.json")
            folder.write_json("summary.json", {**summary, "parity": parity})
        return parity


def evaluate_model(
    model: str,
    data: str,
    *,
    split: str = "auto",
    data_root: str | None = None,
    show: Show | None = None,
) -> dict[str, Any]:
    """Score a run's model on labelled pictures, classes matched by name.

    `split` "auto" takes the test split where the data has or gets one, else everything. Pictures
    the model was trained on are named in the result as "seen_in_training".
    """
    show = show or Silent()
    is_file = os.path.isfile(model)
    folder = RunFolder.open(str(Path(model).parent) if is_file else model)
    values = folder.read_json("recipe.json", "recipe", "data")
    find_code(values)
    # A model.onnx was proven equal to the weights beside it.
    classifier = Classifier.load(folder.path if model.endswith(".onnx") else model)
    recipe = use_machine(Recipe.from_dict(values["recipe"]))
    recipe = recipe.replace(
        image_size=classifier.image_size, channels=classifier.channels, resize=classifier.resize
    )
    job = Job(data, data_root=data_root, allow_broken=True)
    images = load_pictures(job, recipe, show, to_train=False)
    same = images.fingerprint == values["data"]["fingerprint"]
    subset, name = _choose_split(images, split, same)
    show.stage("scoring")
    scores = evaluate(classifier, _relabelled(subset, images.classes, classifier.classes))
    seen = same and name in ("train", "all")
    return {
        "model": model,
        "data": data,
        "split": name,
        "classes": list(classifier.classes),
        "seen_in_training": seen,
        **scores.to_dict(),
    }


def _choose_split(images: Images, split: str, same: bool) -> tuple[Subset, str]:
    """The subset asked for; new data without given splits is scored whole."""
    given = any(images.source.splits)
    if split == "auto":
        split = "test" if (same or given) and len(images.test) else "all"
    if split == "all":
        everything = np.sort(np.concatenate([part.indices for part in images.subsets().values()]))
        return images.subset(everything), "all"
    subset = images.subsets()[split]
    if len(subset) == 0:
        raise InputError(f"The data has no {split} pictures; give another --split, such as all.")
    return subset, split


def _relabelled(subset: Subset, classes: tuple[str, ...], known: tuple[str, ...]) -> Subset:
    """The same pictures with labels in the model's order of classes."""
    unknown = [name for name in classes if name not in known]
    if unknown:
        raise InputError(
            f"The model does not know the class '{unknown[0]}'. It knows: {', '.join(known)}."
        )
    order = np.array([known.index(name) for name in classes], dtype=np.int64)
    labels = np.where(subset.labels >= 0, order[subset.labels], -1)
    return Subset(subset.pixels, labels, subset.indices, len(known))
