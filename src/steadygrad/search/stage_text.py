"""Each stage in a sentence: what it did, what it kept and why."""

from __future__ import annotations

from steadygrad.report.words import percent, plural
from steadygrad.search.stages import Plan
from steadygrad.search.tried import DONE, ENDED, LOST, WAITING, Tried, full_length


def stage_texts(tried: list[Tried], plan: Plan) -> list[str]:
    """The stages that were reached, one sentence each."""
    alive = [trial for trial in tried if trial.state != LOST]
    found = _rungs([t for t in alive if t.stage in ("coarse", "halving")], plan)
    fine = [trial for trial in alive if trial.stage == "fine"]
    if fine:
        found.append(_fine(fine, alive, plan))
    repeated = [trial for trial in alive if trial.repeats is not None and trial.state == DONE]
    if repeated:
        found.append(_finalists(repeated))
    return found


def length_text(part: int, plan: Plan) -> str:
    """How long a trial of so many parts is.

    >>> length_text(9, Plan(27, (1, 3, 9, 27), 0, 0, 8.0))
    '33.3 % of a run'
    """
    if part <= plan.run:
        return "a full run" if part == plan.run else f"{percent(part / plan.run)} of a run"
    return f"all {plan.folds} folds" if part == plan.full else f"{part // plan.run} folds"


def _rungs(starts: list[Tried], plan: Plan) -> list[str]:
    """The coarse stage and each halving: how many went on, and up to which error."""
    found: list[str] = []
    for place, part in enumerate(plan.rungs):
        reached = [trial for trial in starts if part in trial.curve]
        if not reached:
            break
        best = min(reached, key=lambda trial: trial.curve[part])
        name = "halving" if place else "coarse"
        text = (
            f"{name}: {plural(len(reached), 'trial')} to {length_text(part, plan)}, the best with "
            f"a validation error of {percent(best.curve[part])} (trial {best.number})"
        )
        ended = [t for t in starts if t.state == ENDED and t.parts < part]
        ended = [t for t in ended if not place or t.parts >= plan.rungs[place - 1]]
        if ended:
            text += f"; {len(ended)} ended on the way"
        on = [trial for trial in reached if trial.target > part or trial.parts > part]
        if on and part < plan.full:
            worst = max(trial.curve[part] for trial in on)
            text += (
                f". Kept: the best {len(on)} (up to {percent(worst)}), which go on from where "
                f"they stand; the rest are paused"
            )
        found.append(text)
    return found


def _fine(fine: list[Tried], alive: list[Tried], plan: Plan) -> str:
    """What the model proposed, how it ended, and whether it was better than what there was."""
    done = [trial for trial in fine if trial.state == DONE]
    paused = sum(t.state == WAITING and t.reason.startswith("ranked out") for t in fine)
    ended = sum(trial.state == ENDED for trial in fine)
    text = f"fine: {plural(len(fine), 'run')} where a model of all trials expects the most"
    sorts = [(len(done), "to the full length"), (paused, "paused as they could not win any more")]
    sorts.append((ended, "ended"))
    text += ": " + ", ".join(f"{count} {what}" for count, what in sorts if count)
    best = next(iter(full_length(done)), None)
    if best is None:
        return text.removesuffix(": ")
    text += f"; the best {percent(best.value)} (trial {best.number})"
    before = [t for t in full_length(alive) if t.stage != "fine"]
    if before:
        how = "better than" if best.rank < before[0].rank else "no better than"
        text += f", {how} the {percent(before[0].value)} of halving"
    if plan.finalists > 1:
        text += f". Kept: the best {plan.finalists} full-length trials of both"
    return text


def _finalists(repeated: list[Tried]) -> str:
    numbers = sorted({trial.repeats for trial in repeated if trial.repeats is not None})
    values = [trial.value for trial in repeated if trial.value is not None]
    return (
        f"finalists: trials {', '.join(map(str, numbers))} again with other seeds, "
        f"{plural(len(repeated), 'run')} ({percent(min(values))} to {percent(max(values))}). "
        "Kept: the best mean, since one run alone may be luck"
    )
