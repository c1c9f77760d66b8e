"""Experiment: what batch normalisation makes possible, and exactly what it does."""

from __future__ import annotations

import math
from typing import Any

from steadygrad.lab import batch_norm_facts as facts
from steadygrad.lab.batch_norm_figures import draw_curves, draw_grid
from steadygrad.lab.batch_norm_runs import LEARNED, Cell, learned_share, train_cell
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
from steadygrad.lab.small_networks import DATA, load_task

SCALED = 10.0
MOMENTA = (0.1, 0.01)
RUNNING_STEPS = 30
TEST_BATCHES = (2, 8, 32, 128)
BATCHES_COMPARED = 300
FLOAT32, FLOAT64 = "rounding of float32", "rounding of float64"


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
    explanation="Each channel is brought to mean 0 and standard deviation 1 over the batch, "
    "right before the nonlinearity. Then it gets a scale γ and a shift β of its own, so that "
    "nothing is lost: γ = σ and β = μ undo it. The size of the weights before it no longer "
    "matters, and larger weights get smaller gradients, so steps that are too long slow "
    "themselves down. Where no norm follows, as behind the last layer, this help is missing: at "
    "a rate far too high both kinds fail. A bias before the norm is taken out with the mean. "
    "While training, the answer for one picture depends on its companions; when testing, running "
    "averages stand in. The smaller the training batches were, the more the two differ. Once "
    "trained, the norm is a fixed scale and shift, and folds into the layer before it.",
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
