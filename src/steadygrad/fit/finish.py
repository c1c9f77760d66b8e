"""The end of a run: the best weights, the test scored once, export and proof, summary, report."""

from __future__ import annotations

import dataclasses
import linecache
import shlex
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from steadygrad import checkpoint
from steadygrad.evaluate import Evaluation, evaluate
from steadygrad.export import Parity, export, prove
from steadygrad.fit.loop import Loop
from steadygrad.fit.prepare import Prepared, versions
from steadygrad.images.augment import Augmentation
from steadygrad.images.dataset import Images, Subset
from steadygrad.record import Finding
from steadygrad.report.data import ConfusedPair, Picture, ReportData
from steadygrad.report.html import write_report
from steadygrad.report.picture import thumbnail
from steadygrad.report.quotes import quotes
from steadygrad.report.saved import save_report_data

MISTAKES = 24
WORST_CELLS = 6
PICTURES_PER_CELL = 5
SAMPLES = 32
PROOF_PICTURES = 128


def finish(loop: Loop, *, started: float) -> dict[str, Any]:
    """Turn a trained state into everything the run folder promises; returns the summary."""
    prepared, folder, show = loop.prepared, loop.folder, loop.show
    seconds = {"decoding": prepared.decode_seconds}
    show.stage("choosing the weights")
    chosen_step = _take_best(loop)
    prepared.classifier.save(folder.path)
    show.stage("scoring")
    began = time.monotonic()
    scores = {
        name: evaluate(prepared.classifier, subset)
        for name, subset in (("val", prepared.images.val), ("test", prepared.images.test))
        if len(subset)
    }
    loop.progress.evaluate_seconds += time.monotonic() - began
    show.stage("exporting model.onnx and proving it")
    began = time.monotonic()
    parity = export_and_prove(prepared.classifier, prepared.images, folder.path)
    seconds["export"] = time.monotonic() - began
    findings = loop.judge()
    for failure in loop.attendance.failures:
        show.say(f"A fault of Steadygrad itself, the run went on without it: {failure}")
    progress = loop.progress
    seconds |= {
        "waiting for data": progress.data_seconds,
        "computing": progress.compute_seconds,
        "evaluation": progress.evaluate_seconds,
        "total": time.monotonic() - started,
    }
    summary = _summary(loop, scores, parity, findings, seconds, chosen_step)
    show.stage("writing the report")
    data = _report_data(loop, scores, summary, seconds)
    data.sources = quotes(findings, linecache.getline)
    save_report_data(folder.path / "report.json", data)
    write_report(folder.path / "report.html", data)
    folder.write_json("summary.json", summary)  # last: a run that has one is finished
    return summary


def _take_best(loop: Loop) -> int:
    """Put the best weights seen on the validation pictures into the classifier; their step."""
    state, progress = loop.state, loop.progress
    if progress.best_step and progress.best_step != state.step:
        checkpoint.load(loop.folder.path / "checkpoint", state, "best")
    if state.average is not None:
        state.average.copy_to(state.classifier)
    state.classifier.eval()
    return state.step


def export_and_prove(classifier: Any, images: Images, folder: Path) -> Parity:
    """Write model.onnx and compare it with the classifier on real files of the data."""
    path = folder / "model.onnx"
    partial = folder / "model.onnx.unproven"
    export(classifier, partial)
    chosen = _spread_over(images, PROOF_PICTURES)
    if images.source.arrays is not None:
        pictures: Any = images.source.arrays[chosen]
    else:
        pictures = [images.source.path(int(index)) for index in chosen]
    parity = prove(classifier, partial, pictures, num_files=PROOF_PICTURES)
    partial.replace(path)
    return parity


def _spread_over(images: Images, num_pictures: int) -> np.ndarray:
    """Sorted indices of pictures from all classes, held-out ones where there are enough."""
    held_out = np.sort(np.concatenate([images.test.indices, images.val.indices]))
    pool = (
        held_out
        if len(held_out) >= num_pictures
        else np.sort(np.concatenate([held_out, images.train.indices]))
    )
    places = np.linspace(0, len(pool) - 1, min(num_pictures, len(pool)))
    return pool[np.unique(places.round().astype(np.int64))]


def _summary(
    loop: Loop,
    scores: dict[str, Evaluation],
    parity: Parity,
    findings: list[Finding],
    seconds: dict[str, float],
    chosen_step: int,
) -> dict[str, Any]:
    prepared, progress = loop.prepared, loop.progress
    steps = prepared.record.steps
    busy = progress.data_seconds + progress.compute_seconds
    epochs = round(len(steps) / prepared.state.steps_per_epoch, 2)
    return {
        **{name: score.to_dict() for name, score in scores.items()},
        "classes": list(prepared.images.classes),
        "epochs": int(epochs) if epochs.is_integer() else epochs,
        "steps": len(steps),
        "chosen_step": chosen_step,
        "stopped_early": progress.stopped_early,
        "train_seconds": progress.train_seconds,
        "images_per_second": progress.num_images / busy if busy else 0.0,
        "seconds": seconds,
        "parameters": prepared.record.facts.num_parameters,
        "model": prepared.recipe.model,
        "image_size": prepared.classifier.image_size,
        "findings": [dataclasses.asdict(finding) for finding in findings],
        "parity": parity.to_dict(),
        "seed": prepared.recipe.seed,
        "data": prepared.images.source.name,
        "folder": str(loop.folder.path),
        "report": str(loop.folder.path / "report.html"),
    }


def _report_data(
    loop: Loop,
    scores: dict[str, Evaluation],
    summary: dict[str, Any],
    seconds: dict[str, float],
) -> ReportData:
    prepared = loop.prepared
    images = prepared.images
    name = "test" if "test" in scores else "val"
    subset = images.test if name == "test" else images.val
    scored = scores.get(name)
    return ReportData(
        record=prepared.record,
        title=images.source.name,
        summary=summary,
        asked=prepared.asked.to_dict(),
        resolved=prepared.recipe.to_dict(),
        test=scores["test"].to_dict() if "test" in scores else None,
        val=scores["val"].to_dict() if "val" in scores else None,
        mistakes=_mistakes(images, subset, scored) if scored else [],
        worst_cells=_worst_cells(images, subset, scored) if scored else [],
        samples=_samples(prepared),
        timings={
            "decoding": seconds["decoding"],
            "waiting": seconds["waiting for data"],
            "computing": seconds["computing"],
            "evaluation": seconds["evaluation"],
            "export": seconds["export"],
            "total": seconds["total"],
        },
        versions=versions(),
        fingerprint=images.fingerprint,
        command="steadygrad " + shlex.join(prepared.job.command),
        folder=str(loop.folder.path),
    )


def _picture(images: Images, subset: Subset, scores: Evaluation, position: int) -> Picture:
    predicted = int(scores.predictions[position])
    return Picture(
        name=images.source.names[subset.indices[position]],
        image=thumbnail(subset.take(np.array([position]))[0]),
        true=images.classes[scores.labels[position]],
        predicted=images.classes[predicted],
        probability=float(scores.probabilities[position, predicted]),
    )


def _mistakes(images: Images, subset: Subset, scores: Evaluation) -> list[Picture]:
    wrong = np.flatnonzero(scores.predictions != scores.labels)
    confidence = scores.probabilities.max(axis=1)[wrong]
    order = wrong[np.argsort(-confidence, kind="stable")][:MISTAKES]
    return [_picture(images, subset, scores, int(position)) for position in order]


def _worst_cells(images: Images, subset: Subset, scores: Evaluation) -> list[ConfusedPair]:
    wrong = scores.confusion.copy()
    np.fill_diagonal(wrong, 0)
    cells: list[ConfusedPair] = []
    for flat in np.argsort(-wrong, axis=None, kind="stable")[:WORST_CELLS]:
        true, predicted = np.unravel_index(flat, wrong.shape)
        if wrong[true, predicted] == 0:
            break
        inside = np.flatnonzero((scores.labels == true) & (scores.predictions == predicted))
        chosen = inside[np.argsort(-scores.probabilities[inside, predicted], kind="stable")]
        pictures = [_picture(images, subset, scores, int(p)) for p in chosen[:PICTURES_PER_CELL]]
        cells.append(
            ConfusedPair(images.classes[true], images.classes[predicted], len(inside), pictures)
        )
    return cells


def _samples(prepared: Prepared) -> list[Picture]:
    """Training pictures after augmentation, as the first batch had them (without mixing)."""
    batches = prepared.batches
    plain = dataclasses.replace(Augmentation.from_recipe(prepared.recipe), mixup=0.0, cutmix=0.0)
    shown = type(batches)(
        batches.subset,
        batches.batch_size,
        seed=batches.seed,
        augment=plain,
        num_classes=batches.num_classes,
    ).batch(0, 0)
    pixels = shown.images[:SAMPLES].float().round().clamp(0, 255).to(torch.uint8)
    source, classes = prepared.images.source, prepared.images.classes
    return [
        Picture(
            name=source.names[int(index)],
            image=thumbnail(picture.permute(1, 2, 0).cpu().numpy()),
            true=classes[source.labels[int(index)]],
        )
        for picture, index in zip(pixels, shown.indices)
    ]
