"""What a search did, as text and as JSON: the stages, the ranges, the winner and how sure."""

from __future__ import annotations

from collections import Counter
from typing import Any

from steadygrad.report.words import percent
from steadygrad.search.budget import parts_trained
from steadygrad.search.edges import find_edges
from steadygrad.search.effects import importance
from steadygrad.search.space import Parameter, Space, Value
from steadygrad.search.stage_text import stage_texts
from steadygrad.search.stages import Plan
from steadygrad.search.tried import ENDED, LOST, WAITING, Tried
from steadygrad.search.verdict import Verdict

OPEN_END = "The search ended before the range was widened: begin the next one further out."


def account(
    tried: list[Tried], plan: Plan, spaces: tuple[Space, Space], verdict: Verdict, told: list[str]
) -> dict[str, Any]:
    """Everything a reader wants to know of a search, ready for JSON.

    `spaces`: as asked for, and with the ranges widened since.
    """
    first, space = spaces
    winner = verdict.winner
    return {
        "stages": stage_texts(tried, plan),
        "plan": plan.to_dict() | {"full": plan.full},
        "ranges": [str(parameter) for parameter in space.parameters],
        "space": [_range(parameter, first) for parameter in space.parameters],
        "decided": told,
        "edges": _edges(space, tried, plan),
        **_importance(space, tried, plan),
        "winner": None if winner is None else winner.number,
        "values": None if winner is None else space.fields(winner.params),
        **_verdict(verdict),
        "full_runs": parts_trained(tried) / plan.full,
        "trials": [_row(trial, plan) for trial in tried if trial.state != LOST],
        "lost_and_continued": sum(trial.state == LOST for trial in tried),
    }


def _range(parameter: Parameter, first: Space) -> dict[str, Any]:
    """A parameter as it was searched last, with the ends it began with."""
    before = first[parameter.name]
    return {
        "name": parameter.name,
        "low": parameter.low,
        "high": parameter.high,
        "first_low": before.low,
        "first_high": before.high,
        "log": parameter.log,
        "whole": parameter.whole,
        "choices": list(parameter.choices),
        "when": None if parameter.when is None else list(parameter.when),
    }


def _edges(space: Space, tried: list[Tried], plan: Plan) -> list[dict[str, Any]]:
    """Cliffs, and ends where the error still fell when the search was over."""
    return [
        {
            "parameter": edge.parameter.name,
            "side": edge.side,
            "kind": "cliff" if edge.is_cliff else "open",
            "at": edge.at,
            "text": edge.text if edge.is_cliff else f"{edge.why}. {OPEN_END}",
        }
        for edge in find_edges(space, tried, plan.full)
    ]


def _importance(space: Space, tried: list[Tried], plan: Plan) -> dict[str, Any]:
    matters = importance(space, tried, plan.full)
    return {
        "importance": matters.shares,
        "importance_ends": {name: list(ends) for name, ends in matters.ends.items()},
        "explained": matters.explained,
        "of_no_matter": matters.of_no_matter,
        "together": [list(pair) for pair in matters.together],
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "verdict": verdict.text,
        "ties": list(verdict.ties),
        "finalists": [
            {"number": one.trial.number, "values": list(one.values), "mean": one.mean}
            for one in verdict.finalists
        ],
        "seed_spread": verdict.seed_spread,
        "band": verdict.band,
        "band_from": verdict.band_from,
    }


def _row(trial: Tried, plan: Plan) -> dict[str, Any]:
    reason = trial.reason
    if trial.state == WAITING and not reason:
        share = percent(trial.parts / plan.full, 0)
        ranked = "ranked out" if trial.parts >= trial.target else "paused when the time was over,"
        reason = f"{ranked} after {share} of a full run" if trial.parts else ""
    return {
        "number": trial.number,
        "stage": trial.stage,
        "state": "paused" if trial.state == WAITING else trial.state,
        "reason": reason,
        "ended_as": kind_of(trial.reason) if trial.state == ENDED else "",
        "values": trial.params,
        "seed": trial.seed,
        "repeats": trial.repeats,
        "diverged": trial.diverged,
        "curve": {str(part): value for part, value in trial.curve.items()},
        "times": {str(part): age for part, age in trial.times.items()},
        "first_loss": trial.first_loss,
        "seconds": trial.seconds,
    }


def kind_of(reason: str) -> str:
    """A reason without its numbers: the rule's name, or what the loss did.

    >>> kind_of("its loss, 9.5 over 5 mini-batches, passed 3 times its first, 2.3, in mini-batch 8")
    'its loss passed 3 times its first'
    >>> kind_of("lr-too-high: the loss rises"), kind_of("its loss became nan in mini-batch 4")
    ('lr-too-high', 'its loss became nan')
    """
    parts = reason.partition(": ")[0].partition(" in mini-batch")[0].split(", ")
    return " ".join(part for part in parts if part and not part[0].isdigit()).rstrip(",")


def account_text(found: dict[str, Any]) -> str:
    """The account for a person."""
    lines = [f"  {stage}" for stage in found["stages"]]
    ends = Counter(row["ended_as"] for row in found["trials"] if row["state"] == "ended")
    lines += [f"  ended early: {reason} ({count})" for reason, count in ends.most_common()]
    lines += [f"  {text}" for text in found["decided"]]
    if found["importance"]:
        shares = ", ".join(
            f"{name} {percent(share, 0)}" for name, share in found["importance"].items()
        )
        lines.append(f"  what mattered: {shares}")
    if found["of_no_matter"]:
        lines.append(f"  of no matter here: {', '.join(found['of_no_matter'])}")
    for pair in found["together"]:
        lines.append(f"  {' and '.join(pair)} go together: one's best value depends on the other")
    lines.append(f"  {found['verdict']}")
    if found["values"]:
        lines.append(f"  its values: {values_text(found['values'])}")
    return "\n".join(lines)


def values_text(values: dict[str, Value]) -> str:
    """Values in one line.

    >>> values_text({"lr": 0.0123456, "optimizer": "adam"})
    'lr 0.01235, optimizer adam'
    """
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )
