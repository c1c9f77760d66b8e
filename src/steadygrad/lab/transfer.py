"""Transfer: a backbone trained on one set of pictures, reused where there are few."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from steadygrad.lab.drawing import figure, label, look, points
from steadygrad.lab.framework import Experiment, Option, Result, Verdict, at_least, near
from steadygrad.lab.framework import numbers as numbers_with_commas
from steadygrad.lab.transfer_runs import (
    OWN,
    RAW,
    SCRATCH,
    UNCENTRED,
    WAYS,
    Measured,
    measure,
)

REACHED = 0.5
"""Of the accuracy from scratch at the end: the height at which speeds are compared, well above
guessing and where the curves are steep."""


def table(found: Measured) -> list[dict[str, Any]]:
    """One row a way."""
    return [
        {
            "way": way,
            "loss on the backbone's own set": found.own_set.get(way, (None, None))[0],
            "accuracy on it": found.own_set.get(way, (None, None))[1],
            **{
                f"after {number} updates": float(accuracy)
                for number, accuracy in zip(found.updates, found.mean(way))
            },
        }
        for way in WAYS
    ]


def judge(found: Measured) -> list[Verdict]:
    """The claims against the mean accuracies."""
    height = REACHED * float(found.mean(SCRATCH)[-1])
    needed = {way: found.updates_to_reach(way, height) for way in (OWN, SCRATCH)}
    draws = f"mean of {len(found.accuracies[OWN])} backbones and draws of the pictures"
    return [
        at_least(
            "The backbone has learned its own set: validation accuracy",
            found.own_set[OWN][1],
            0.8,
            why="else there is nothing to reuse",
        ),
        at_least(
            f"From scratch the few pictures are learned too: accuracy after {found.updates[-1]} "
            "updates",
            float(found.mean(SCRATCH)[-1]),
            0.7,
            why="a fair rival, trained to the end",
        ),
        at_least(
            f"Updates to reach {height:.2f}, {REACHED:.0%} of that: from scratch over reused",
            needed[SCRATCH] / needed[OWN],
            1.2,
            why=f"{draws}; pictures far from the source gain least, yet a sixth is saved",
        ),
        near(
            f"After {found.updates[-1]} from scratch has caught up: accuracy, reused less scratch",
            float(found.mean(OWN)[-1] - found.mean(SCRATCH)[-1]),
            0.0,
            absolute=0.05,
            why="He et al. 2019: trained long enough, both arrive at much the same",
        ),
        *_preprocessing(found),
    ]


def _preprocessing(found: Measured) -> list[Verdict]:
    verdicts = [
        at_least(
            f"The backbone itself, on its own set from {way}: loss, times that with its own "
            "preprocessing",
            found.own_set[way][0] / found.own_set[OWN][0],
            1.1,
            why="nothing was trained in between: only the pixels come in another way",
        )
        for way in (RAW, UNCENTRED)
    ]
    verdicts += [
        at_least(
            f"Reused: gain of its own preprocessing on {way}, mean of all numbers of updates",
            float((found.mean(OWN) - found.mean(way)).mean()),
            least,
            why=why,
        )
        for way, least, why in (
            (RAW, 0.1, "numbers some hundred times as large as it knows: too much to adapt to"),
            (UNCENTRED, 0.01, "a third of the contrast, no zero in the middle; it adapts, later"),
        )
    ]
    return verdicts


def draw(found: Measured, about: str) -> Figure:
    """Accuracy against the number of updates, a line a way, a point a draw."""
    drawn, axes = figure(
        height=4.2,
        caption=f"Validation accuracy by number of updates, {about}. Lines are means, faint points "
        "single draws of the pictures; a run whose numbers broke counts as guessing.",
    )
    place = axes[0][0]
    for order, way in enumerate(WAYS):
        points(place, found.updates, found.mean(way), way, order)
        style = {**look(order, marker=True), "linestyle": "", "alpha": 0.2, "markersize": 4}
        for accuracies in found.accuracies[way]:
            place.plot(found.updates, accuracies, **style)
    place.set_xscale("log")
    place.set_xticks(found.updates, [str(number) for number in found.updates])
    place.minorticks_off()
    place.set_ylim(0, 1.03)
    label(place, "updates on the few pictures", "validation accuracy", legend=True)
    return drawn


def run(values: dict[str, Any]) -> Result:
    """Train a backbone, reuse it in every way."""
    seed = int(values["seed"])
    updates = tuple(sorted({int(number) for number in values["updates"]}))
    pair, found = measure(values, updates, seed)
    about = pair.about
    if pair.source.name == pair.target.name:
        about += ", and other halves of the classes in the other draws"
    own, to_one, raw = (found.own_set[way][1] for way in (OWN, UNCENTRED, RAW))
    text = (
        f"{about}. The backbone gets {own:.1%} of its own set right, {to_one:.1%} from "
        f"pixels of 0 to 1 and {raw:.1%} from raw ones. Learning {int(values['per_class'])} "
        f"pictures a class, after {updates[0]} and after {updates[-1]} updates: "
        + ", ".join(f"{way} {found.mean(way)[0]:.3f} and {found.mean(way)[-1]:.3f}" for way in WAYS)
        + "."
    )
    verdicts = judge(found)
    return Result(table(found), {"accuracy": draw(found, about)}, verdicts, text)


EXPERIMENT = Experiment(
    name="transfer",
    title="Transfer",
    claim="A backbone trained on other pictures learns new ones in fewer updates than from "
    "scratch, if it gets the preprocessing it was trained with.",
    explanation="The first layers of a network find edges, corners and textures, which are much "
    "the same in all pictures. So train them where pictures are many, and go on from there where "
    "they are few: only the head is new, and a handful of updates takes it far. What is gained is "
    "time. On pictures as small and easy as these a network from scratch arrives at the same "
    "accuracy, later; with large photos of rare things the gain stays, as training from scratch "
    "would need more of them than there are. One thing belongs to the backbone as its weights do: "
    "what was done to the pixels before. Give it raw pixels or pixels from 0 to 1, and its filters "
    "meet numbers they were never trained on: with raw pixels nothing is learned at this rate, "
    "and with pixels from 0 to 1 most of the head start is gone. This is a common fault.",
    source="Yosinski et al. 2014, How transferable are features in deep neural networks?; He, "
    "Girshick, Dollár 2019, Rethinking ImageNet Pre-training (the gain is time); Donahue et al. "
    "2014, DeCAF (the gain stays where pictures are few)",
    options=(
        Option("pictures", 6000, 2500, "Training pictures of the source set.", int),
        Option("backbone_updates", 2000, 800, "Updates on the source set.", int),
        Option("per_class", 20, None, "Pictures of each class to learn from.", int),
        Option("draws", 10, 6, "Times all is repeated, with pictures drawn anew.", int),
        Option(
            "updates",
            (1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0),
            None,
            "Updates on the few pictures, with commas between.",
            numbers_with_commas,
            least=1,
        ),
    ),
    run=run,
)
