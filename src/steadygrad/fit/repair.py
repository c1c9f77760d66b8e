"""Repairs of what the tool owns: initialisation, rate, activation, norm, preprocessing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from steadygrad import checkpoint
from steadygrad.build import build, is_foreign, sample_pixels
from steadygrad.errors import InputError
from steadygrad.fit.folder import RunFolder
from steadygrad.fit.prepare import Prepared, facts_of, recipe_file
from steadygrad.fit.progress import Progress
from steadygrad.images.randomness import generator
from steadygrad.record import Event, Finding, Loop, Recipe
from steadygrad.rules.reading import majority_share
from steadygrad.training_state import start
from steadygrad.trials import recommended, try_rates

MOST_REPAIRS = 4
"""In one run; what needs more is not understood."""
TRIAL_SECONDS = 10.0
PROBE = 256
LOWER = 0.1
"""Factor for the rate where trials gave none, and when a run goes on from a good state."""
WARMUP = 0.1
EARLY = 0.5
"""Share of the run up to which it is begun anew; later too little time would be left."""
LEARNED = 1.5
"""Validation accuracy, by the share of the largest class, from which a saved state is good."""
REPAIRED = "repaired"


def repair(
    prepared: Prepared, folder: RunFolder, finding: Finding, progress: Progress
) -> Progress | None:
    """Repair a fault's cause and make the run ready to go on; None where that can't be done.

    What was done becomes an Event of the record, its last one. Each rule's fault is repaired once.
    """
    if len(progress.repaired) >= MOST_REPAIRS or finding.rule in progress.repaired:
        return None
    at = prepared.state.step
    plan = plan_repair(prepared, finding, progress.best_accuracy)
    noted = plan and apply_repair(prepared, plan, folder)
    if plan is None or noted is None:
        return None
    prepared.record.add(repaired_event(finding, plan, at, prepared.state.step))
    folder.save_record(prepared.record)
    spent = {name: value for name, value in vars(progress).items() if "seconds" in name}
    repaired = [*progress.repaired, finding.rule]
    return replace(Progress(**noted), **spent, repaired=repaired)


@dataclass(frozen=True)
class Plan:
    """How a fault is repaired."""

    recipe: Recipe
    what: str
    """What was changed, for people: "--init zeros → auto"."""
    anew: bool = True
    """From the start; else from the best state so far."""


def plan_repair(prepared: Prepared, finding: Finding, best_accuracy: float) -> Plan | None:
    """How the fault can be repaired; None where the tool does not own its cause."""
    planner = PLANNERS.get(finding.rule)
    if planner is None:
        return None
    good = best_accuracy > LEARNED * majority_share(prepared.record)
    if finding.rule in GOES_BACK and good:
        rate = prepared.state.lr * LOWER
        recipe = prepared.recipe.replace(lr=rate, base_batch_size=0)
        return Plan(recipe, _rates(prepared.state.lr, rate), anew=False)
    if prepared.state.progress > EARLY:
        return None
    return planner(prepared)


def _rates(before: float, after: float) -> str:
    return f"--lr {before:.3g} → {after:.3g}"


def _initialise(prepared: Prepared) -> Plan | None:
    recipe = prepared.recipe
    # A network of the user's own keeps its own draw under "auto".
    scheme = "kaiming-normal" if is_foreign(recipe.model) else "auto"
    if recipe.init == scheme or recipe.start_from:
        return None
    return Plan(recipe.replace(init=scheme), f"--init {recipe.init} → {scheme}")


def _lower_rate(prepared: Prepared) -> Plan | None:
    """The rate that trials on fresh copies recommend, with warm-up."""
    images, recipe, old = prepared.images, prepared.recipe, prepared.state.lr
    order = torch.randperm(len(images.train), generator=generator(recipe.seed, "sample"))
    labels = torch.from_numpy(images.train.labels_of(order[:PROBE].sort().values.numpy()))
    pixels = sample_pixels(images.train, PROBE, recipe.seed)
    counts = images.train.class_counts().tolist()
    fresh = start(build(recipe, images), recipe, len(prepared.batches), class_counts=counts)
    trials = try_rates(fresh, recipe, prepared.batches, (pixels, labels), TRIAL_SECONDS)
    rate = recommended(trials)
    if rate is None or rate >= old:
        rate = old * LOWER
    warmup = max(recipe.warmup, WARMUP)
    changed = recipe.replace(lr=rate, base_batch_size=0, warmup=warmup)
    return Plan(changed, f"{_rates(old, rate)}, --warmup {warmup:g}")


def _other_activation(prepared: Prepared) -> Plan | None:
    recipe = prepared.recipe
    chosen = "relu" if recipe.activation in ("sigmoid", "tanh") else "leaky-relu"
    if recipe.activation == chosen:
        return None
    return Plan(recipe.replace(activation=chosen), f"--activation {recipe.activation} → {chosen}")


def _group_norm(prepared: Prepared) -> Plan | None:
    recipe = prepared.recipe
    if recipe.norm not in ("auto", "batch"):
        return None
    return Plan(recipe.replace(norm="group"), f"--norm {recipe.norm} → group")


def _lost_signal(prepared: Prepared) -> Plan | None:
    if prepared.recipe.activation in ("sigmoid", "tanh"):
        return _other_activation(prepared)
    return _initialise(prepared)


def _preprocess(prepared: Prepared) -> Plan | None:
    recipe, wanted = prepared.recipe, "channel-mean-std"
    if recipe.preprocess == wanted or recipe.start_from:
        return None
    return Plan(recipe.replace(preprocess=wanted), f"--preprocess {recipe.preprocess} → {wanted}")


def _large_loss(prepared: Prepared) -> Plan | None:
    return _preprocess(prepared) or _initialise(prepared)


PLANNERS: dict[str, Callable[[Prepared], Plan | None]] = {
    "symmetric-init": _initialise,
    "init-scale": _initialise,
    "loss-at-init": _large_loss,
    "input-scale": _preprocess,
    "lr-too-high": _lower_rate,
    "exploding-gradient": _lower_rate,
    "non-finite": _lower_rate,
    "not-learning": _lower_rate,
    "collapsed-output": _lower_rate,
    "dead-relu": _other_activation,
    "saturated-activation": _other_activation,
    "vanishing-gradient": _lost_signal,
    "norm-small-batch": _group_norm,
}
"""Rule → how its fault is repaired."""
GOES_BACK = frozenset(("non-finite", "exploding-gradient", "lr-too-high"))
"""Faults of a run that was well before: it goes back to its best state, with a lower rate."""


def apply_repair(prepared: Prepared, plan: Plan, folder: RunFolder) -> dict[str, Any] | None:
    """Put the repaired run in the place of the faulty one.

    Returns what the loop had noted where it goes on (empty: at the start), None where the repaired
    network can't be built.
    """
    old = prepared.state
    images, record = prepared.images, prepared.record
    counts = images.train.class_counts().tolist()
    try:
        classifier = build(plan.recipe, images)
        state = start(classifier, plan.recipe, len(prepared.batches), class_counts=counts)
    except InputError:  # a network without that option
        return None
    state.total_steps = old.total_steps
    prepared.recipe, prepared.classifier, prepared.state = plan.recipe, classifier, state
    kept, noted = folder.path / "checkpoint", dict[str, Any]()
    if plan.anew:
        # First of all: a resume must not meet weights of another network.
        for name in ("last", "best"):
            checkpoint.path_of(kept, name).unlink(missing_ok=True)
        record.facts = facts_of(prepared)
    else:
        rate = state.lr
        noted = dict(checkpoint.load(kept, state, "best")["progress"])
        state.lr = rate
    _forget(prepared, anew=plan.anew)
    folder.write_json("recipe.json", recipe_file(prepared))
    return noted


def _forget(prepared: Prepared, *, anew: bool) -> None:
    """Drop what was measured of steps that are undone; what was decided stays."""
    record = prepared.record
    kept = [e for e in record.events if e.step == 0 or e.name == REPAIRED]
    record.drop_after(prepared.state.step)
    record.loop = Loop()
    record.findings = []
    if anew:
        record.graphs, record.signals = [], []
        record.parameter_signals, record.batches = [], []
        record.events = kept


def repaired_event(finding: Finding, plan: Plan, at: int, step: int) -> Event:
    """What was done, for the record, the screen and the report."""
    going = "begun anew" if plan.anew else f"gone back to step {step}"
    text = f"Repaired {finding.rule} (seen at step {at}): {plan.what}; {going}."
    values = {"rule": finding.rule, "saw": finding.saw, "seen_at": at, "change": plan.what}
    return Event(step, REPAIRED, text, values)
