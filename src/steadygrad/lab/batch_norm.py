"""Experiment: what batch normalisation makes possible, and exactly what it does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from steadygrad.lab import batch_norm_facts as facts
from steadygrad.lab import drawing
from steadygrad.lab.framework import (
    Experiment,
    Option,
    Result,
    Verdict,
    at_least,
    at_most,
    near,
    numbers,
)
from steadygrad.lab.small_networks import (
    DATA,
    Learned,
    Task,
    learn,
    load_task,
    plain_network,
    start,
)
from steadygrad.lab.training import smoothed

LEARNED = 0.6  # accuracy; a guess gets 0.1
SCALED = 10.0
MOMENTA = (0.1, 0.01)
RUNNING_STEPS = 30
TEST_BATCHES = (2, 8, 32, 128)
BATCHES_COMPARED = 300
FLOAT32, FLOAT64 = "rounding of float32", "rounding of float64"


@dataclass(frozen=True)
class Cell(Learned):
    """One training run: what came out, where the norm was, the rate, the scale of the start."""

    norm: str
    lr: float
    scale: float


def train_cell(task: Task, norm: str, lr: float, scale: float, values: dict[str, Any]) -> Cell:
    """Train one network; norm is "none", "batch" or "behind" (batch norm behind the ReLU)."""
    network = plain_network(
        task,
        values["depth"],
        values["width"],
        "none" if norm == "none" else "batch",
        norm_last=norm == "behind",
    )
    start(network, task, "kaiming-normal", values["seed"], scale)
    found = learn(network, task, num_steps=values["num_steps"], lr=lr, seed=values["seed"])
    return Cell(found.losses, found.accuracy, norm, lr, scale)


def learned_share(cells: list[Cell], norm: str) -> float:
    """The share of a norm's runs that learned."""
    own = [cell.accuracy >= LEARNED for cell in cells if cell.norm == norm]
    return sum(own) / len(own)


def grid_verdicts(cells: list[Cell], behind: Cell) -> list[Verdict]:
    """How much of the grid learns with the norm and without."""
    with_norm, without = learned_share(cells, "batch"), learned_share(cells, "none")
    best = max(cell.accuracy for cell in cells if cell.norm == "batch")
    return [
        at_least(
            f"share of rates × scales that learn (accuracy ≥ {LEARNED}), batch norm minus none",
            with_norm - without,
            0.2,
            why="one run in five; the seed moves one or two runs",
        ),
        at_least(
            "share that learn with batch norm",
            with_norm,
            0.5,
            why="large weights get small gradients, so the smallest rate is too slow for them",
        ),
        at_least(
            "behind the ReLU instead of before it, it learns too (accuracy)",
            behind.accuracy,
            min(LEARNED, best),
            why="as for the grid",
        ),
    ]


def layer_verdicts(seed: int) -> list[Verdict]:
    """What the norm does to one layer's outputs and gradients."""
    mean, spread = facts.output_moments(seed)
    ratio, change = facts.scaled_gradient_ratio(SCALED, seed)
    moved, bias_gradient = facts.bias_effect(5.0, seed)
    return [
        at_most("every channel leaves with mean 0", mean, 1e-5, why=FLOAT32),
        at_most("… and std 1", spread, 1e-4, why="torch's epsilon in the variance"),
        at_most(
            "γ = σ and β = μ give the identity back (largest error, relative)",
            facts.identity_error(seed),
            1e-6,
            why=FLOAT32,
        ),
        near(
            "weights ten times as large get a gradient a tenth as large",
            ratio,
            1.0 / SCALED,
            relative=1e-9,
            why=FLOAT64,
        ),
        at_most("… and leave the loss as it is (change)", change, 1e-9, why=FLOAT64),
        at_most(
            "a bias of 5 before the norm changes nothing (relative)", moved, 1e-12, why=FLOAT64
        ),
        at_most(
            "… and its gradient is nothing beside the weights'", bias_gradient, 1e-12, why=FLOAT64
        ),
    ]


def run_verdicts(seed: int, differences: dict[int, float]) -> list[Verdict]:
    """Running statistics, the gap between training and testing, and folding."""
    found = [
        near(
            f"momentum {momentum:g}: share of the mean still lacking after {RUNNING_STEPS} steps",
            facts.running_means(momentum, RUNNING_STEPS, seed)[-1],
            (1 - momentum) ** RUNNING_STEPS,
            relative=1e-9,
            why=FLOAT64,
        )
        for momentum in MOMENTA
    ]
    largest = max(differences)
    return [
        *found,
        near(
            "running over normalising variance for batches of 8 is n / (n - 1)",
            facts.running_variance_ratio(8, seed),
            8 / 7,
            relative=1e-9,
            why=FLOAT64,
        ),
        near(
            f"training and testing differ by √(1.5 / n) standard deviations, n = {largest}",
            differences[largest],
            math.sqrt(1.5 / largest),
            relative=0.05,
            why=f"sampling of {BATCHES_COMPARED} batches, and terms in 1 / n",
        ),
        *(
            at_most(
                f"folded into the {name}, the answers stay (relative)", error, 1e-12, why=FLOAT64
            )
            for name, error in facts.folding_errors(seed).items()
        ),
    ]


def draw_grid(cells: list[Cell]) -> Figure:
    """Accuracy over rates and scales, without and with the norm."""
    rates = sorted({cell.lr for cell in cells})
    scales = sorted({cell.scale for cell in cells})
    drawn, axes = drawing.figure(
        1,
        2,
        height=3.9,
        sharey=True,
        caption="Accuracy over learning rates and initial scales, without and with batch norm; "
        f"in bold what learned ({LEARNED} or more).",
    )
    image = None
    for panel, norm, title in zip(axes[0], ("none", "batch"), ("no norm", "batch norm")):
        values = np.zeros((len(rates), len(scales)))
        for cell in cells:
            if cell.norm == norm:
                values[rates.index(cell.lr), scales.index(cell.scale)] = cell.accuracy
        image = panel.imshow(values, cmap=drawing.FILLED, vmin=0, vmax=1, aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            colour = "white" if value < 0.55 else "black"
            weight = "bold" if value >= LEARNED else "normal"
            look = {"ha": "center", "va": "center", "color": colour, "weight": weight}
            panel.text(column, row, f"{value:.2f}", **look)
        panel.set_xticks(range(len(scales)), [f"{scale:g}" for scale in scales])
        panel.set_yticks(range(len(rates)), [f"{rate:g}" for rate in rates])
        panel.grid(False)
        drawing.label(panel, "initial weights (Kaiming's = 1)", "", title)
    axes[0, 0].set_ylabel("learning rate")
    if image is not None:
        drawn.colorbar(image, ax=axes, label="accuracy on unseen pictures")
    return drawn


def draw_curves(cells: list[Cell], differences: dict[int, float]) -> Figure:
    """Losses at Kaiming's own scale for each rate, and the gap between training and testing."""
    drawn, axes = drawing.figure(
        1,
        3,
        height=3.7,
        caption="Left and middle: losses from Kaiming's own weights, each point the mean of 10 "
        "steps; a curve that leaves at the top and does not come back broke. Right: training's "
        "answer against testing's.",
    )
    scale = min({cell.scale for cell in cells}, key=lambda one: abs(math.log(one)))
    for panel, norm, title in zip(axes[0], ("none", "batch"), ("no norm", "batch norm")):
        own = [cell for cell in cells if cell.norm == norm and cell.scale == scale]
        for order, cell in enumerate(own):
            drawing.curve(panel, smoothed(cell.losses), f"rate {cell.lr:g}", order)
        panel.set_ylim(0, 3)
        drawing.label(panel, "step", "loss (nats)", title)
    sizes = sorted(differences)
    panel = axes[0, 2]
    panel.loglog(
        sizes, [math.sqrt(1.5 / size) for size in sizes], color=drawing.GRAY, label="√(1.5 / n)"
    )
    panel.loglog(sizes, [differences[size] for size in sizes], "o", label="measured")
    panel.set_xticks(sizes, [str(size) for size in sizes])
    panel.minorticks_off()
    drawing.label(
        panel, "batch size n", "difference (std of outputs)", "training vs testing", legend=True
    )
    handles, names = axes[0, 0].get_legend_handles_labels()
    drawn.legend(handles, names, loc="outside lower left", ncols=len(names))
    return drawn


def run(values: dict[str, Any]) -> Result:
    """Train over the grid with and without the norm, and measure its facts one by one."""
    task = load_task(values["data"], values["num_train"], seed=values["seed"])
    cells = [
        train_cell(task, norm, lr, scale, values)
        for norm in ("none", "batch")
        for lr in values["rates"]
        for scale in values["scales"]
    ]
    middle = sorted(values["rates"])[len(values["rates"]) // 2]
    behind = train_cell(task, "behind", middle, 1.0, values)
    differences = {
        size: facts.train_and_test_difference(size, BATCHES_COMPARED, values["seed"])
        for size in TEST_BATCHES
    }
    rows = [
        {"norm": cell.norm, "rate": cell.lr, "scale": cell.scale, "accuracy": cell.accuracy}
        for cell in (*cells, behind)
    ]
    return Result(
        rows,
        {"grid": draw_grid(cells), "curves": draw_curves(cells, differences)},
        [
            *grid_verdicts(cells, behind),
            *layer_verdicts(values["seed"]),
            *run_verdicts(values["seed"], differences),
        ],
        f"On {task.about}, {learned_share(cells, 'batch'):.0%} of the runs with batch norm and "
        f"{learned_share(cells, 'none'):.0%} of those without learned.",
    )


EXPERIMENT = Experiment(
    name="batch-norm",
    title="Batch normalisation",
    claim="Batch norm lets a network learn over a far wider range of learning rates and initial "
    "scales, and everything it does to a layer can be checked by number.",
    explanation="Each channel is brought to mean 0 and standard deviation 1 over the batch, right "
    "before the nonlinearity, then given a scale γ and a shift β of its own, so that nothing is "
    "lost: γ = σ and β = μ undo it. The scale of the weights before it no longer matters, and "
    "larger weights get smaller gradients, so steps that are too long slow themselves down. A bias "
    "before it is taken out with the mean. While training, the answer for one picture depends on "
    "its companions; when testing, running averages stand in, and the smaller the training "
    "batches were, the more the two differ. Once trained it is a fixed scale and shift, and folds "
    "into the layer before it.",
    source="Ioffe, Szegedy 2015; van Laarhoven 2017 (scale invariance)",
    options=(
        DATA,
        Option("num_train", 4000, 1400, "Pictures to learn from.", int, least=64),
        Option("depth", 6, 5, "Weight layers.", int, least=2),
        Option("width", 16, 12, "Channels.", int),
        Option("num_steps", 200, 120, "Steps of 64 pictures.", int),
        Option(
            "rates",
            (0.003, 0.03, 0.3, 3.0),
            (0.03, 0.3, 3.0),
            "Learning rates.",
            numbers,
            least=0.0,
        ),
        Option(
            "scales",
            (0.1, 0.3, 1.0, 3.0),
            None,
            "Factors on Kaiming's weights.",
            numbers,
            least=1e-6,
        ),
    ),
    run=run,
)
