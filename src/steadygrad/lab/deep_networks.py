"""Experiment: a plain ReLU network of 30 layers learns or not by how its weights were drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor, nn

from steadygrad.lab import drawing
from steadygrad.lab.framework import (
    Experiment,
    Option,
    Result,
    Verdict,
    at_most,
    near,
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
from steadygrad.lab.symmetry import label_entropy
from steadygrad.lab.training import smoothed

MOMENTUM = 0.9
SMALLEST = 3  # maps of 4×4, of Fashion-MNIST too; 32 channels then cost what 16 do on 7×7
LAST = 20  # steps over which the loss at the end is averaged
STALLED = 0.02  # of the entropy: the loss of who knows the classes' frequencies only
SCHEMES = {
    "Xavier": ("xavier-in-normal", "none"),
    "Kaiming": ("kaiming-normal", "none"),
    "orthogonal": ("orthogonal", "none"),
    "LSUV": ("lsuv", "none"),
    "random walk": ("random-walk", "none"),
    "Xavier, batch norm": ("xavier-in-normal", "batch"),
    "Kaiming, batch norm": ("kaiming-normal", "batch"),
}
NORMED = ("Xavier, batch norm", "Kaiming, batch norm")
FITTING = ("Kaiming", "orthogonal", "LSUV", "random walk")


@dataclass(frozen=True)
class Trained(Learned):
    """One network: what training left, and its signal and gradients before the first step."""

    title: str
    layer_stds: list[float]
    gradient_norms: list[float]

    @property
    def last_loss(self) -> float:
        """The mean of the last losses."""
        return sum(self.losses[-LAST:]) / len(self.losses[-LAST:])


def look(
    network: nn.Sequential, examples: tuple[Tensor, Tensor]
) -> tuple[list[float], list[float]]:
    """Root mean square of what each ReLU puts out, and the gradient's norm of each convolution."""
    values, sizes = examples[0], list[float]()
    for module in network:
        values = module(values)
        if isinstance(module, nn.ReLU):
            sizes.append(float(values.detach().square().mean().sqrt()))
    nn.functional.cross_entropy(values, examples[1]).backward()
    convolutions = [module for module in network if isinstance(module, nn.Conv2d)]
    norms = [
        float(conv.weight.grad.norm()) for conv in convolutions if conv.weight.grad is not None
    ]
    network.zero_grad()
    return sizes, norms


def wrap_borders(network: nn.Sequential) -> None:
    """Pad with the opposite border: zeros would thin the signal out in each of the layers."""
    for module in network:
        if isinstance(module, nn.Conv2d):
            module.padding_mode = "circular"


def train_from(task: Task, title: str, values: dict[str, Any]) -> Trained:
    """Draw, look and train one network."""
    scheme, norm = SCHEMES[title]
    network = plain_network(task, values["depth"], values["width"], norm, smallest=SMALLEST)
    wrap_borders(network)
    start(network, task, scheme, values["seed"])
    some = (task.train[0][:128], task.train[1][:128])
    sizes, gradients = look(network, some)
    steps, lr = values["num_steps"], values["lr"]
    learned = learn(network, task, num_steps=steps, lr=lr, momentum=MOMENTUM, seed=values["seed"])
    return Trained(learned.losses, learned.accuracy, title, sizes, gradients)


def judge(runs: dict[str, Trained], entropy: float, depth: int) -> list[Verdict]:
    """Who stalls, who learns, and how much the norm levels."""
    xavier, kaiming = runs["Xavier"], runs["Kaiming"]
    normed = [runs[title].last_loss / entropy for title in NORMED]
    apart = (xavier.last_loss - kaiming.last_loss) / entropy
    learned = [
        at_most(
            f"{title}: the loss at the end, as a share of that of a guess",
            runs[title].last_loss / entropy,
            0.8,
            why="ten times what a stalled loss may differ from 1",
        )
        for title in (*FITTING, *NORMED)
    ]
    return [
        near(
            f"after {depth - 1} ReLU layers Kaiming's signal over Xavier's, as a power of √2",
            2 * math.log2(kaiming.layer_stds[-1] / xavier.layer_stds[-1]),
            depth - 1,
            absolute=0.01,
            why="the same draws but for the factor √2; rounding of float32",
        ),
        near(
            "Xavier stalls: the loss at the end is that of a guess by class frequency",
            xavier.last_loss,
            entropy,
            relative=STALLED,
            why="the noise of mini-batches",
        ),
        *learned,
        at_most(
            "with batch norm the two end closer (difference of losses, over that without)",
            abs(normed[0] - normed[1]) / max(apart, 1e-9),
            0.5,
            why=f"without the norm they are {apart:.2f} of a guess apart; half of that is little",
        ),
    ]


def draw_losses(runs: dict[str, Trained]) -> Figure:
    """Loss over the steps, without norms and with."""
    drawn, axes = drawing.figure(
        1,
        2,
        height=4.2,
        sharey=True,
        caption="Loss by initialisation, each point the mean of 10 steps; in the legend the share "
        "of unseen pictures right at the end.",
    )
    for order, run in enumerate(runs.values()):
        panel = axes[0, int(run.title in NORMED)]
        drawing.curve(panel, smoothed(run.losses), f"{run.title}: {run.accuracy:.0%} right", order)
    for panel, title in zip(axes[0], ("no norm", "batch norm")):
        panel.set_ylim(0)
        drawing.label(panel, "step", "", title)
        panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17))
    axes[0, 0].set_ylabel("loss (nats)")
    return drawn


def draw_signals(runs: dict[str, Trained]) -> Figure:
    """Size of signal and gradient through the layers, before the first step."""
    drawn, axes = drawing.figure(
        1, 2, height=4.2, caption="Signal forward and gradient backward before the first step."
    )
    for order, run in enumerate(runs.values()):
        drawing.curve(axes[0, 0], run.layer_stds, run.title, order)
        drawing.curve(axes[0, 1], run.gradient_norms, run.title, order)
    for panel, what in zip(axes[0], ("output of the ReLU (rms)", "gradient of the weights (norm)")):
        panel.set_yscale("log")
        drawing.label(panel, "layer", what)
    handles, names = axes[0, 0].get_legend_handles_labels()
    drawn.legend(handles, names, loc="outside lower center", ncols=4)
    return drawn


def run(values: dict[str, Any]) -> Result:
    """Train the same network from each scheme."""
    task = load_task(values["data"], values["num_train"], seed=values["seed"])
    runs = {title: train_from(task, title, values) for title in SCHEMES}
    rows = [
        {
            "start": run.title,
            "signal, first layer": run.layer_stds[0],
            "signal, last layer": run.layer_stds[-1],
            "gradient, first layer": run.gradient_norms[0],
            "gradient, last layer": run.gradient_norms[-1],
            "loss at the end": run.last_loss,
            "accuracy": run.accuracy,
        }
        for run in runs.values()
    ]
    told = ", ".join(f"{run.title} {run.accuracy:.0%}" for run in runs.values())
    return Result(
        rows,
        {"losses": draw_losses(runs), "signals": draw_signals(runs)},
        judge(runs, label_entropy(task.train[1]), values["depth"]),
        f"{values['depth']} layers on {task.about}, after {values['num_steps']} steps: {told}.",
    )


EXPERIMENT = Experiment(
    name="deep-networks",
    title="Deep networks train or not",
    claim="A plain ReLU network of 30 layers stalls from Xavier's weights and learns from "
    "Kaiming's; batch norm makes the choice matter little.",
    explanation="Xavier's rule is made for units that pass on what they sum up. A ReLU drops "
    "half of it. So 29 layers shrink the signal by √2 to the 29th power, some 23,000 times, and "
    "the gradient likewise: all that is left to learn is how frequent the classes are. Kaiming's "
    "weights differ by the factor √2 alone, and learn. So do orthogonal weights, weights scaled "
    "until each layer is measured to have variance one (LSUV), and random-walk scaling. Batch "
    "norm sets the size anew in every layer, whatever the weights were; with it both learn.",
    source="He et al. 2015, section 2.2 and figure 3; Saxe et al. 2014; Mishkin, Matas 2016; "
    "Sussillo, Abbott 2014; Ioffe, Szegedy 2015",
    options=(
        DATA,
        Option("num_train", 6000, 1400, "Pictures to learn from.", int, least=64),
        Option("depth", 30, None, "Weight layers.", int, least=2),
        Option("width", 32, None, "Channels; 12 or 16, at rate 0.002, let some starts stall.", int),
        Option("num_steps", 400, 250, "Steps of 64 pictures.", int),
        Option("lr", 0.001, None, "Learning rate of all, with momentum 0.9.", least=0.0),
    ),
    run=run,
)
