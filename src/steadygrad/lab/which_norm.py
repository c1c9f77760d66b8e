"""Experiment: which norm for which batch size."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.figure import Figure

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
from steadygrad.lab.norm_facts import (
    NORM_NAMES,
    SHAPE,
    expected_reach,
    mode_difference,
    reached,
)
from steadygrad.lab.small_networks import DATA, Task, learn, load_task, plain_network, start

BASE_BATCH = 64  # the rate is given for batches of this size and scaled with it
MOMENTUM = 0.9

Errors = dict[str, dict[int, float]]
"""Norm → batch size → share of unseen pictures that are wrong, mean over the draws."""


def shrinking_depth(task: Task) -> int:
    """Weight layers of a network that halves its maps to a single position, then classifies."""
    return math.ceil(math.log2(max(task.train[0].shape[2:]))) + 1


def error_of(task: Task, norm: str, batch_size: int, draw: int, values: dict[str, Any]) -> float:
    """Train one network for so many epochs with batches of that size; the rate goes with it."""
    seed = values["seed"] + draw
    network = plain_network(task, shrinking_depth(task), values["width"], norm, smallest=1)
    start(network, task, "kaiming-normal", seed)
    learned = learn(
        network,
        task,
        num_steps=values["epochs"] * len(task.train[0]) // batch_size,
        lr=values["lr"] * batch_size / BASE_BATCH,
        momentum=MOMENTUM,
        batch_size=batch_size,
        seed=seed,
    )
    return 1.0 - learned.accuracy


def measure_errors(task: Task, values: dict[str, Any]) -> Errors:
    """Every norm at every batch size."""
    draws = values["draws"]
    return {
        norm: {
            int(size): sum(error_of(task, norm, int(size), draw, values) for draw in range(draws))
            / draws
            for size in values["sizes"]
        }
        for norm in NORM_NAMES
    }


def spread_of(num_test: int) -> float:
    """Two standard errors at most of a share of so many pictures."""
    return 2 * math.sqrt(0.25 / num_test)


def error_verdicts(errors: Errors, num_test: int) -> list[Verdict]:
    """How the errors change from the largest batch to the smallest."""
    large, small = max(errors["batch"]), min(errors["batch"])
    growth = {norm: own[small] - own[large] for norm, own in errors.items()}
    spread = spread_of(num_test)
    return [
        at_least(
            f"batch norm: error added by batches of {small} instead of {large}, over that of group",
            growth["batch"] - growth["group"],
            spread,
            why=f"two standard errors at most of a share of {num_test} pictures",
        ),
        at_most(
            f"group norm: error added by batches of {small}, as a share of batch norm's",
            growth["group"] / max(growth["batch"], spread),
            0.2,
            why="little; another draw of the weights moves an error by some 2 % of the pictures",
        ),
        at_least(
            f"batches of {small}: batch norm's error minus group norm's",
            errors["batch"][small] - errors["group"][small],
            spread,
            why="as above",
        ),
    ]


def fact_verdicts(seed: int) -> list[Verdict]:
    """What each averages over, and whether training and evaluation agree."""
    found: list[Verdict] = []
    for norm in NORM_NAMES:
        shared = expected_reach(norm)
        found.append(
            near(
                f"{norm}: one value reaches {int(shared.sum())} of {shared.size} outputs, those "
                "that share its statistics (outputs that differ from that)",
                float((reached(norm, seed) != shared).sum()),
                0.0,
                why="exact",
            )
        )
    for norm in NORM_NAMES[1:]:
        text = f"{norm}: training and evaluation answer the same (largest difference)"
        found.append(at_most(text, mode_difference(norm, seed), 0.0, why="exact"))
    text = "batch: they do not, before the running statistics have settled"
    found.append(at_least(text, mode_difference("batch", seed), 0.1, why="outputs have std 1"))
    return found


def lasting(errors: Errors, num_test: int) -> str:
    """A sentence: down to which batch size batch norm errs no more than with the largest."""
    own = errors["batch"]
    enough = own[max(own)] + spread_of(num_test)
    kept = [size for size in own if all(own[more] <= enough for more in own if more >= size)]
    return f"With batches down to {min(kept)} batch norm is as good as with {max(own)}" + (
        "; below, its error grows." if min(kept) > min(own) else "."
    )


def draw_errors(errors: Errors) -> Figure:
    """Error over batch size."""
    drawn, axes = drawing.figure(
        height=4.0, caption="Error on unseen pictures over batch size, one line for each norm."
    )
    panel = axes[0, 0]
    for order, (norm, own) in enumerate(errors.items()):
        sizes = sorted(own)
        drawing.points(panel, sizes, [100 * own[size] for size in sizes], norm, order)
    panel.set_xscale("log", base=2)
    panel.set_xticks(sorted(errors["batch"]), [str(size) for size in sorted(errors["batch"])])
    panel.invert_xaxis()
    panel.set_ylim(0)
    drawing.label(panel, "batch size (rate ∝ batch size)", "wrong on unseen pictures (%)")
    drawn.legend(loc="outside lower center", ncols=len(errors))
    return drawn


def draw_reach() -> Figure:
    """For each norm the values that share statistics with one of them, as measured."""
    drawn, axes = drawing.figure(
        1,
        4,
        height=2.9,
        caption="What shares mean and variance with the value at picture 1, channel 1 (measured).",
    )
    pictures, channels, height, width = SHAPE
    for panel, norm in zip(axes[0], NORM_NAMES):
        cells = reached(norm).reshape(pictures, channels, height * width)
        share = cells.mean(2)
        panel.imshow(share, cmap="Blues", vmin=0, vmax=1.4, aspect="auto")
        panel.set_xticks(range(channels), [str(one + 1) for one in range(channels)])
        panel.set_yticks(range(pictures), [str(one + 1) for one in range(pictures)])
        panel.set_xticks([one - 0.5 for one in range(1, channels)], minor=True)
        panel.set_yticks([one - 0.5 for one in range(1, pictures)], minor=True)
        panel.grid(False)
        panel.grid(which="minor", color="white", linewidth=2)
        panel.tick_params(which="minor", length=0)
        drawing.label(panel, "channel", "", f"{norm} norm")
    axes[0, 0].set_ylabel("picture of the batch")
    return drawn


def run(values: dict[str, Any]) -> Result:
    """Train with each norm at each batch size, and look at what each norm averages over."""
    task = load_task(values["data"], values["num_train"], seed=values["seed"])
    errors = measure_errors(task, values)
    rows = [
        {"norm": norm, "batch size": size, "error": error}
        for norm, own in errors.items()
        for size, error in own.items()
    ]
    small = min(errors["batch"])
    told = ", ".join(f"{norm} {100 * own[small]:.1f} %" for norm, own in errors.items())
    num_test = len(task.test[0]) * values["draws"]
    return Result(
        rows,
        {"errors": draw_errors(errors), "reach": draw_reach()},
        [*error_verdicts(errors, num_test), *fact_verdicts(values["seed"])],
        f"On {task.about}, wrong with batches of {small}: {told}. {lasting(errors, num_test)}",
    )


EXPERIMENT = Experiment(
    name="which-norm",
    title="Which norm",
    claim="Batch norm's error grows as batches shrink; layer, instance and group norm do not look "
    "at the batch, so their answers are the same in training and testing and at any batch size.",
    explanation="All four subtract a mean and divide by a standard deviation; they differ in "
    "what is averaged over. Batch norm takes one channel of all pictures, layer norm all "
    "channels of one picture, instance norm one channel of one picture, group norm some channels "
    "of one picture. The network here halves its maps until a single position is left. There a "
    "batch of two tells batch norm no more than which of the two pictures has the larger value. "
    "In training the layers above learn from that; in testing running averages stand in, and the "
    "answer is another. The figure of what is shared is not drawn by hand: one value of the "
    "input was changed, and the coloured outputs moved.",
    source="Wu, He 2018, figures 1, 2 and 4; Ulyanov et al. 2016; Ba et al. 2016",
    options=(
        DATA,
        Option("num_train", 4000, 1000, "Pictures to learn from.", int, least=64),
        Option("width", 32, 12, "Channels.", int),
        Option("epochs", 4, 3, "Passes over the pictures.", int),
        Option("lr", 0.1, None, "Learning rate for batches of 64.", least=0.0),
        Option("sizes", (64, 32, 16, 8, 4, 2), (16, 4, 2), "Batch sizes.", numbers, least=2),
        Option("draws", 2, 1, "Networks for each point, averaged.", int),
    ),
    run=run,
)
