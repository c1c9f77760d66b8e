"""Reports of real runs: digits from scikit-learn, learned step by step, scored, photographed.

`python tests/report/report_sample.py FOLDER` writes every variant into FOLDER to be looked at.
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss

from steadygrad.record import (
    Epoch,
    Event,
    Facts,
    Finding,
    LayerSignals,
    Recipe,
    Record,
    Step,
    Where,
)
from steadygrad.report.data import ConfusedPair, Picture, ReportData
from steadygrad.report.html import write_report
from steadygrad.report.measure import confused_pairs
from steadygrad.report.picture import thumbnail

HOSTILE = '</script><img src=x onerror="alert(1)">\u2028\u202egpj.\x1b[31m\udc80\'&'


def evaluate(probabilities, labels):
    """What `evaluate` of the package gives, as the report gets it; slow and obvious."""
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(1)
    confusion = [[0] * classes for _ in range(classes)]
    for true, said in zip(labels, predicted):
        confusion[true][said] += 1
    right = predicted == labels
    accuracy, n, z = float(right.mean()), len(labels), 1.959964
    centre = (accuracy + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(accuracy * (1 - accuracy) / n + z * z / (4 * n * n))
    confidence = probabilities.max(1)
    bins = []
    for index in range(15):
        low, high = index / 15, (index + 1) / 15
        inside = (confidence > low) & (confidence <= high)
        bins.append(
            {
                "low": low,
                "high": high,
                "count": int(inside.sum()),
                "confidence": float(confidence[inside].mean()) if inside.any() else None,
                "accuracy": float(right[inside].mean()) if inside.any() else None,
            }
        )
    gaps = [b["count"] * abs(b["confidence"] - b["accuracy"]) for b in bins if b["count"]]
    columns = [sum(row[i] for row in confusion) for i in range(classes)]
    return {
        "accuracy": accuracy,
        "loss": float(log_loss(labels, probabilities, labels=range(classes))),
        "accuracy_interval": [centre - half, centre + half],
        "num_images": n,
        "confusion": confusion,
        "recall": [row[i] / sum(row) if sum(row) else None for i, row in enumerate(confusion)],
        "precision": [confusion[i][i] / c if c else None for i, c in enumerate(columns)],
        "calibration": bins,
        "expected_calibration_error": sum(gaps) / n,
    }


def pictures_of(images, labels, probabilities, classes, wanted):
    predicted = probabilities.argmax(1)
    return [
        Picture(
            f"test/{index:05d}.png",
            thumbnail(images[index]),
            classes[labels[index]],
            classes[predicted[index]],
            float(probabilities[index, predicted[index]]),
        )
        for index in wanted
    ]


def worst_cells(images, labels, probabilities, classes, confusion):
    predicted, cells = probabilities.argmax(1), []
    for pair in confused_pairs(confusion, 8):
        inside = np.flatnonzero((labels == pair.true) & (predicted == pair.predicted))
        chosen = pictures_of(images, labels, probabilities, classes, inside[:8])
        cells.append(ConfusedPair(classes[pair.true], classes[pair.predicted], pair.count, chosen))
    return cells


def mistakes_of(images, labels, probabilities, classes, limit=40):
    wrong = np.flatnonzero(probabilities.argmax(1) != labels)
    wrong = wrong[np.argsort(-probabilities[wrong].max(1), kind="stable")]
    return pictures_of(images, labels, probabilities, classes, wrong[:limit])


def train(pixels, labels, splits, epochs=12, batch=32):
    """Mini-batch SGD of a linear classifier; every step's loss is measured, times are not."""
    classes = int(labels.max()) + 1
    model = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=1e-4, random_state=0)
    record, order = Record(), np.random.default_rng(0)
    index, step = splits["train"], 0
    total = epochs * math.ceil(len(index) / batch)
    for epoch in range(epochs):
        shuffled, losses = order.permutation(index), []
        for start in range(0, len(index), batch):
            chosen = shuffled[start : start + batch]
            lr = 0.03 * 0.5 * (1 + math.cos(math.pi * step / total)) + 1e-5
            model.set_params(eta0=lr)
            loss = math.log(classes)
            if step:
                told = model.predict_proba(pixels[chosen]).clip(1e-7, 1)
                loss = float(log_loss(labels[chosen], told, labels=range(classes)))
            before = model.coef_.copy() if step else np.zeros((classes, pixels.shape[1]))
            model.partial_fit(pixels[chosen], labels[chosen], classes=np.arange(classes))
            step += 1
            norm = float(np.linalg.norm(model.coef_ - before) / lr) if step % 5 == 0 else None
            wait = 0.0004 + 0.0003 * ((step * 7919) % 13) / 13
            record.add(Step(step, epoch, loss, lr, len(chosen), wait, 0.006 - wait, norm))
            losses.append(loss)
        told = model.predict_proba(pixels[splits["val"]])
        val = evaluate(told, labels[splits["val"]])
        record.add(
            Epoch(
                epoch,
                step,
                float(np.mean(losses)),
                val["loss"],
                val["accuracy"],
                float(model.score(pixels[index], labels[index])),
                0.006 * len(losses),
            )
        )
    return model, record


@cache
def digits() -> ReportData:
    """The report of ten digits."""
    source = load_digits()
    pixels = source.data / 16.0 - 0.5
    images = np.round(source.images * 255 / 16).astype(np.uint8)
    labels = source.target
    order = np.random.default_rng(0).permutation(len(labels))
    splits = {"test": order[:360], "val": order[360:504], "train": order[504:]}
    model, record = train(pixels, labels, splits)
    classes = [str(name) for name in range(10)]
    told = model.predict_proba(pixels[splits["test"]])
    test_labels, test_images = labels[splits["test"]], images[splits["test"]]
    test = evaluate(told, test_labels)
    val = evaluate(model.predict_proba(pixels[splits["val"]]), labels[splits["val"]])
    record.add(facts(classes, labels, splits))
    for line in events():
        record.add(line)
    shifted = np.roll(images[splits["train"][:24]], (1, -1), (1, 2))
    asked = Recipe(epochs=12, lr=0.03, seed=0)
    return ReportData(
        record=record,
        title="digits",
        summary=summary(test, val, classes),
        asked=asked.to_dict(),
        resolved=resolved(asked).to_dict(),
        test=test,
        val=val,
        mistakes=mistakes_of(test_images, test_labels, told, classes),
        worst_cells=worst_cells(test_images, test_labels, told, classes, test["confusion"]),
        samples=[
            Picture(f"train/{i:05d}.png", thumbnail(shifted[i]), str(labels[splits["train"][i]]))
            for i in range(24)
        ],
        timings={"decoding": 0.4, "evaluation": 0.9, "export": 1.7, "total": 6.1},
        versions={"steadygrad": "0.1.0", "numpy": np.__version__},
        fingerprint="5f2d0c8e9b7a41d3a6ce14f2b8d97e03",
        command="steadygrad train digits --epochs 12 --lr 0.03 --out runs/digits",
        folder="runs/digits",
    )


def facts(classes, labels, splits):
    counts = {
        split: np.bincount(labels[index], minlength=len(classes)).tolist()
        for split, index in splits.items()
    }
    audit = {
        "num_files": 1797,
        "num_broken": 0,
        "broken": [],
        "exact_duplicates": [],
        "near_duplicates": [["train/00012.png", "train/00713.png"]],
        "across_splits": [],
        "conflicting_labels": [],
        "missing_classes": {},
        "class_counts": {s: dict(zip(classes, numbers)) for s, numbers in counts.items()},
        "sizes": {"min": [8, 8], "median": [8, 8], "max": [8, 8]},
        "modes": {"L": 1797},
        "formats": {"array": 1797},
        "notes": [],
    }
    layers = [
        layer("network.0", "Flatten", [64], 0, 0),
        layer("network.1", "Linear", [10], 650, 640),
    ]
    return Facts(
        classes,
        counts,
        [1, 8, 8],
        650,
        layers,
        audit,
        machine={"device": "cpu", "cores": 2, "memory": "8 GiB"},
    )


def layer(name, kind, shape, parameters, multiply_adds):
    return {
        "name": name,
        "kind": kind,
        "output_shape": shape,
        "parameters": parameters,
        "multiply_adds": multiply_adds,
    }


def events():
    return [
        Event(0, "precision", "fp32: bf16 was 0.9 times as fast in the probe"),
        Event(0, "learning-rate", "0.03 as asked; batch 32, no scaling"),
        Event(162, "plan", "evaluation takes 2 % of the time: every epoch from here"),
        Event(330, "best", "best validation accuracy so far, weights kept"),
    ]


def summary(test, val, classes):
    return {
        "test": test,
        "val": val,
        "classes": classes,
        "epochs": 12,
        "steps": 492,
        "train_seconds": 2.95,
        "images_per_second": 5333,
        "parameters": 650,
        "findings": [],
        "parity": {
            "top1_agreement": 1.0,
            "max_abs_probability_difference": 3.1e-7,
            "num_files": 64,
        },
        "seed": 0,
    }


def resolved(asked):
    return asked.replace(
        batch_size=32,
        model="logistic",
        optimizer="sgd",
        schedule="cosine",
        weight_decay=5e-4,
        image_size=8,
        channels=1,
        flip="none",
        precision="fp32",
        device="cpu",
        threads=2,
        budget_seconds=0.0,
    )


def findings():
    return [
        Finding(
            "train-test-leak",
            "error",
            0,
            "31 pictures of the test split are also in the train split (8.6 % of the test split).",
            "No picture in two splits.",
            "Put each group on one side: remove the test copies, or let --test-fraction split.",
            "Recht et al. 2019",
            Where(file="data/splits.csv", line=212),
        ),
        Finding(
            "learning-rate-too-low",
            "warning",
            240,
            "The update-to-weight ratio is 1.2e-6 in 4 of 6 layers over 200 steps.",
            "Between 1e-4 and 1e-2 in a run that learns.",
            "Raise --lr to 0.03.",
            "Karpathy 2019",
            Where(module="network.blocks.0.conv1", parameter="weight"),
        ),
        Finding("class-imbalance", "note", 0, "“cat” has 9 times the pictures of “emu”.", "", ""),
    ]


def pairs_of_digits() -> ReportData:
    """A hundred classes: two digits beside each other, told by the model of one digit."""
    base = digits()
    source = load_digits()
    pixels, labels = source.data / 16.0 - 0.5, source.target
    images = np.round(source.images * 255 / 16).astype(np.uint8)
    order = np.random.default_rng(0).permutation(len(labels))
    splits = {"test": order[:360], "val": order[360:504], "train": order[504:]}
    model, _ = train(pixels, labels, splits, epochs=2)
    chosen = np.random.default_rng(1).choice(splits["test"], (3000, 2))
    one, two = (model.predict_proba(pixels[chosen[:, side]]) for side in (0, 1))
    told = (one[:, :, None] * two[:, None, :]).reshape(3000, 100)
    pair_labels = labels[chosen[:, 0]] * 10 + labels[chosen[:, 1]]
    pair_images = np.concatenate([images[chosen[:, 0]], images[chosen[:, 1]]], axis=2)
    classes = [f"{number:02d} a pair of digits with a long name" for number in range(100)]
    test = evaluate(told, pair_labels)
    counts = {"train": [400 + 5 * i for i in range(100)]}
    counts["test"] = np.bincount(pair_labels, minlength=100).tolist()
    record = replace(base.record, facts=replace(base.record.facts, classes=classes))
    record.facts.class_counts = counts
    return replace(
        base,
        record=record,
        title="pairs of digits",
        test=test,
        val=None,
        mistakes=mistakes_of(pair_images, pair_labels, told, classes),
        worst_cells=worst_cells(pair_images, pair_labels, told, classes, test["confusion"]),
    )


def odd_or_even() -> ReportData:
    """Two classes with one epoch, and no test split."""
    base = digits()
    source = load_digits()
    model, _ = train(
        source.data / 16.0 - 0.5,
        source.target % 2,
        {"train": np.arange(1400), "val": np.arange(1400, 1500)},
        epochs=1,
    )
    told = model.predict_proba(source.data[1500:] / 16.0 - 0.5)
    val = evaluate(told, source.target[1500:] % 2)
    facts = replace(base.record.facts, classes=["even", "odd"], class_counts={"train": [650, 643]})
    record = replace(base.record, facts=facts, epochs=base.record.epochs[:1])
    record.steps, record.events = base.record.steps[:41], []
    return replace(
        base, record=record, title="odd or even", test=None, val=val, worst_cells=[], mistakes=[]
    )


def faulty() -> ReportData:
    """A run that broke: a loss that is not finite, findings, dirty data, a dead metric."""
    base = digits()
    steps = [replace(s, loss=math.nan if s.step > 300 else s.loss) for s in base.record.steps]
    steps[150] = replace(steps[150], loss=1e30)
    audit = dict(base.record.facts.audit)
    audit |= {
        "num_broken": 3,
        "broken": [
            {"name": "train/3/half.jpg", "reason": "truncated: 512 of 2,048 bytes"},
            {"name": "train/3/empty.png", "reason": "empty file"},
            {"name": HOSTILE, "reason": "not a picture: text"},
        ],
        "across_splits": [["train/7/a.png", "test/7/b.png"], ["train/1/c.png", "test/2/c.png"]],
        "conflicting_labels": [["train/1/c.png", "test/2/c.png"]],
        "missing_classes": {"val": ["7"]},
        "modes": {"RGB": 1700, "L": 90, "CMYK": 7},
        "sizes": {"min": [12, 18], "median": [320, 240], "max": [4000, 3000]},
        "notes": ["hidden folder .cache left out"],
    }
    record = replace(base.record, facts=replace(base.record.facts, audit=audit), steps=steps)
    record.findings = findings()
    record.signals = [LayerSignals(1, "network.1", {"zeros": 0.5})]
    return replace(base, record=record, title="digits, broken on purpose")


def hostile() -> ReportData:
    """Every name that comes from outside tries to break out of the page."""
    base = digits()
    classes = [HOSTILE + str(i) for i in range(10)]
    facts = replace(base.record.facts, classes=classes)
    facts.layers = [layer(HOSTILE, HOSTILE, [1], 1, 1)]
    facts.audit = {"num_files": 1, "num_broken": 1, "notes": [HOSTILE], "modes": {HOSTILE: 1}}
    facts.audit["broken"] = [{"name": HOSTILE, "reason": HOSTILE}]
    facts.audit["class_counts"] = {HOSTILE: {HOSTILE: 1}}
    facts.audit["missing_classes"] = {HOSTILE: [HOSTILE]}
    facts.machine = {HOSTILE: HOSTILE}
    bad = Picture(HOSTILE, b"<svg onload=alert(1)>", HOSTILE, HOSTILE, math.nan)
    good = replace(base.mistakes[0], name=HOSTILE, true=HOSTILE, predicted=HOSTILE)
    record = replace(base.record, facts=facts)
    record.events = [Event(0, HOSTILE, HOSTILE), Event(99, HOSTILE, HOSTILE)]
    where = Where(HOSTILE, 3, HOSTILE, HOSTILE)
    record.findings = [Finding(HOSTILE, "error", 1, HOSTILE, HOSTILE, HOSTILE, HOSTILE, where)]
    return replace(
        base,
        record=record,
        title=HOSTILE,
        asked={"model": HOSTILE},
        resolved=base.resolved | {"model": HOSTILE, HOSTILE: HOSTILE},
        mistakes=[bad, good],
        samples=[bad, good],
        worst_cells=[ConfusedPair(HOSTILE, HOSTILE, 2, [bad, good])],
        timings={HOSTILE: 1.0},
        versions={HOSTILE: HOSTILE},
        fingerprint=HOSTILE,
        command=HOSTILE,
        folder=HOSTILE,
    )


def empty() -> ReportData:
    """Nothing was measured at all."""
    return ReportData(Record(), "nothing")


VARIANTS = {
    "digits": digits,
    "pairs": pairs_of_digits,
    "two-classes": odd_or_even,
    "faulty": faulty,
    "hostile": hostile,
    "empty": empty,
}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for variant, make in VARIANTS.items():
        write_report(folder / f"{variant}.html", make())
        print(folder / f"{variant}.html")
