"""Why centre and scale: fitting far from the origin, and what a small change of weights does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from steadygrad.lab import drawing
from steadygrad.lab.framework import Experiment, Option, Result, Verdict, at_least, near
from steadygrad.lab.pictures import load_pictures
from steadygrad.lab.pixel_landscape import (
    RELATIVE_NOISE,
    Shaken,
    condition_of,
    loss_after,
    measure_sensitivity,
    pixels_by,
)

SLOPE, OFFSET = 2.0, -1.0
CLOSE = 1e-3
"""Share of the first distance from the solution that is left when the fit counts as done."""
KINDS = ("none", "minmax", "channel-mean-std", "mean-image", "pca-whiten")
MAX_LINE_STEPS = 200_000
SPREAD = "largest curvature over the mean"
"""Of pictures; the smallest is 0 where a pixel never changes."""


def line_inputs(values: dict[str, Any]) -> dict[str, np.ndarray]:
    """The x of the line's points: as given, centred, and scaled too. (N,) each."""
    generator = np.random.default_rng([values["seed"], 5])
    given = values["distance"] + values["spread"] * generator.standard_normal(values["num_points"])
    centred = given - given.mean()
    return {"as given": given, "centred": centred, "centred, scaled": centred / centred.std()}


def hessian(inputs: np.ndarray) -> np.ndarray:
    """Second derivatives of the mean squared error by weights and offset, inputs (N, D)."""
    wide = np.column_stack([inputs, np.ones(len(inputs))])
    return 2 * wide.T @ wide / len(wide)


def steps_of_descent(curvature: np.ndarray) -> int:
    """Steps of gradient descent at its best rate until the distance is a thousandth.

    Best: 2 / (largest + smallest curvature). It starts off the solution by one along the steepest
    and the flattest direction; the solution itself does not matter.
    """
    sizes, directions = np.linalg.eigh(curvature)
    lr = 2 / (sizes[0] + sizes[-1])
    first = directions[:, 0] + directions[:, -1]
    off = first.copy()
    for step in range(1, MAX_LINE_STEPS + 1):
        off = off - lr * curvature @ off
        if np.linalg.norm(off) <= CLOSE * np.linalg.norm(first):
            return step
    return MAX_LINE_STEPS


def steps_expected(condition: float) -> float:
    """ln(1000) / ln((k + 1) / (k - 1)): every step shrinks the distance by (k - 1) / (k + 1)."""
    shrink = (condition - 1) / (condition + 1)
    return 1.0 if shrink <= CLOSE else math.ceil(math.log(CLOSE) / math.log(shrink))


def measure_line(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Condition, steps and sensitivity of the line's fit in each form of its inputs."""
    rows: list[dict[str, Any]] = []
    forms = line_inputs(values)
    outputs = SLOPE * forms["as given"] + OFFSET
    for name, inputs in forms.items():
        curvature = hessian(inputs[:, None])
        sizes = np.linalg.eigvalsh(curvature)
        slope, offset = np.polyfit(inputs, outputs, 1)
        changed = slope * (1 + values["change"]) * inputs + offset - outputs
        rows.append(
            {
                "inputs": name,
                "condition of the Hessian": float(sizes[-1] / sizes[0]),
                "steps": steps_of_descent(curvature),
                "steps by theory": steps_expected(float(sizes[-1] / sizes[0])),
                "loss after the slope changed": float(np.square(changed).mean()),
            }
        )
    return rows


def draw(rows: list[dict[str, Any]], on_pictures: list[dict[str, Any]], about: str) -> Figure:
    """Steps of the line's fit, and of softmax regression the loss, over the condition."""
    figure, axes = drawing.figure(
        1,
        2,
        height=4.0,
        caption="Left: gradient descent on a straight line, its steps measured and by theory. "
        f"Right: softmax regression on {about} after the same number of steps, each "
        "preprocessing at its own safe rate; in brackets its largest curvature over the mean one.",
    )
    left, right = axes[0]
    conditions = np.geomspace(1.001, max(row["condition of the Hessian"] for row in rows) * 2, 200)
    left.plot(
        conditions,
        [steps_expected(each) for each in conditions],
        "--",
        color=drawing.GRAY,
        label="theory",
    )
    for order, row in enumerate(rows):
        left.plot(
            row["condition of the Hessian"],
            row["steps"],
            drawing.MARKERS[order],
            color=drawing.COLOURS[order],
            markersize=9,
            label=row["inputs"],
        )
    left.set_xscale("log")
    left.set_yscale("log")
    drawing.label(
        left,
        "condition of the Hessian (no unit)",
        "steps to 1/1000 of the distance",
        "Fitting a line far from the origin",
        legend=True,
    )
    names = [f"{row['inputs']}\n({row[SPREAD]:.3g})" for row in on_pictures]
    drawing.bars(right, names, {"loss": [row["loss"] for row in on_pictures]}, "{:.2g}".format)
    drawing.label(right, "training loss (nats)", "", "Softmax regression on pictures")
    return figure


def draw_change(values: dict[str, Any]) -> Figure:
    """The line before and after a small change of its slope, far from the origin and centred."""
    figure, axes = drawing.figure(
        1,
        2,
        height=3.6,
        sharey=True,
        caption=f"The same change of the slope ({100 * values['change']:g} %) far from the origin "
        "and after centring: the further off the points, the longer the lever.",
    )
    forms = line_inputs(values)
    outputs = SLOPE * forms["as given"] + OFFSET
    for place, name in zip(axes[0], ("as given", "centred")):
        inputs = forms[name]
        slope, offset = np.polyfit(inputs, outputs, 1)
        order = np.argsort(inputs)
        place.plot(inputs[order], outputs[order], ".", color=drawing.BLUE, label="points")
        changed = slope * (1 + values["change"]) * inputs[order] + offset
        place.plot(inputs[order], changed, "--", color=drawing.VERMILION, label="slope changed")
        loss = float(np.square(changed - outputs[order]).mean())
        title = f"{name}: mean squared error {loss:.2g}"
        drawing.label(place, "x (no unit)", "y (no unit)", title, legend=True)
    return figure


def verdicts_of(
    rows: list[dict[str, Any]],
    on_pictures: list[dict[str, Any]],
    shaken: Shaken,
    forms: dict[str, np.ndarray],
) -> list[Verdict]:
    """Hold lines and pictures against theory."""
    given, centred, scaled = rows
    far = forms["as given"]
    lever = 1 + (far.mean() / far.std()) ** 2
    key = "loss after the slope changed"
    verdicts = [
        near(
            f"Line, inputs {row['inputs']}: steps against theory",
            row["steps"],
            row["steps by theory"],
            relative=0.02,
            absolute=1.0,
            why="whole steps, and the steep direction shrinks along",
        )
        for row in rows
    ]
    verdicts += [
        near(
            "Line, centred and scaled: condition of the Hessian",
            scaled["condition of the Hessian"],
            1.0,
            absolute=1e-6,
            why="float64",
        ),
        at_least("Line: steps as given over steps centred", given["steps"] / centred["steps"], 10),
        near(
            "Line: rise of the loss for a changed slope, as given over centred",
            given[key] / centred[key],
            lever,
            relative=0.001,
            why="1 + (mean / std)² by the formula for a mean of squares",
        ),
    ]
    return verdicts + _picture_verdicts(on_pictures, shaken)


def _picture_verdicts(on_pictures: list[dict[str, Any]], shaken: Shaken) -> list[Verdict]:
    by_kind = {row["inputs"]: row for row in on_pictures}
    verdicts = [
        at_least(
            f"Pictures: change of the loss when weights change by {100 * RELATIVE_NOISE:.0f} %, "
            "raw over centred",
            shaken.loss_raw / shaken.loss_centred,
            1.1,
            why="the same classifier, the same random changes",
        ),
        near(
            "Pictures: squared change of the answers, raw over centred",
            shaken.answers_raw / shaken.answers_centred,
            shaken.answers_ratio_expected,
            relative=0.1,
            why="the sum of w² E[x²] for independent changes; 50 draws",
        ),
    ]
    raw = by_kind["none"][SPREAD]
    verdicts += [
        at_least(f"Pictures: {SPREAD}, raw over {kind}", raw / by_kind[kind][SPREAD], 1.2)
        for kind in ("channel-mean-std", "mean-image")
    ]
    losses = {name: row["loss"] for name, row in by_kind.items()}
    verdicts.append(
        at_least(
            "Pictures: loss after the same steps, raw less standardised",
            losses["none"] - losses["channel-mean-std"],
            0.0,
        )
    )
    verdicts.append(
        at_least(
            "Pictures: loss after the same steps, standardised less whitened",
            losses["channel-mean-std"] - losses["pca-whiten"],
            0.0,
        )
    )
    return verdicts


def run(values: dict[str, Any]) -> Result:
    """Fit lines, classify pictures, shake the weights."""
    rows = measure_line(values)
    pictures = load_pictures(
        "fashion-mnist", num_train=values["num_pictures"], num_test=1, seed=values["seed"]
    )
    labels = pictures.labels()[0]
    on_pictures: list[dict[str, Any]] = []
    for kind in KINDS:
        inputs = pixels_by(kind, pictures)
        on_pictures.append(
            {
                "inputs": kind,
                SPREAD: condition_of(inputs),
                "loss": loss_after(inputs, labels, values),
            }
        )
    shaken = measure_sensitivity(pictures, values)
    given, centred, scaled = rows
    ratio = shaken.loss_raw / shaken.loss_centred
    text = (
        f"The line {values['distance']:g} away took {given['steps']} steps, centred "
        f"{centred['steps']}, scaled too {scaled['steps']}. On {pictures.about}, a change of the "
        f"weights by {100 * RELATIVE_NOISE:.0f} % changes the loss of one and the same classifier "
        f"{ratio:.1f} times as much where it reads raw pixels."
    )
    figures = {
        "steps": draw(rows, on_pictures, pictures.about),
        "change": draw_change(values),
    }
    verdicts = verdicts_of(rows, on_pictures, shaken, line_inputs(values))
    return Result([*rows, *on_pictures], figures, verdicts, text)


EXPERIMENT = Experiment(
    name="centre-and-scale",
    title="Why inputs are centred and scaled",
    claim="Far from the origin a small change of a weight changes the loss much, the Hessian is "
    "ill-conditioned and gradient descent slow; centring and scaling mends all three.",
    explanation="Turn a line a little about the origin and points far away move a lot, points "
    "around the origin hardly. So far from the origin the loss is steep in one direction and flat "
    "in another: the rate must suit the steep one, and the flat one takes for ever. The ratio of "
    "the two curvatures, the condition of the Hessian, gives the number of steps. Centring takes "
    "the long lever away, scaling evens out what remains, whitening does so for all directions.",
    source="LeCun et al. 1998, Efficient BackProp, sections 4.3 and 5; Böhning 1992 (bound on the "
    "curvature of softmax regression)",
    options=(
        Option("distance", 10.0, None, "How far from the origin the line's points lie."),
        Option("spread", 1.0, None, "Standard deviation of their x.", least=1e-3),
        Option("num_points", 200, None, "Points of the line.", int, least=3),
        Option("change", 0.02, None, "Relative change of the slope."),
        Option("num_pictures", 3000, 1000, "Pictures to learn from.", int, least=64),
        Option("num_steps", 200, 60, "Steps of softmax regression.", int),
    ),
    run=run,
)
