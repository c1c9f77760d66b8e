"""Objectives with a known answer: an optimum, a cliff, and a count of every part trained."""

import math
import os
import time
from contextlib import suppress
from pathlib import Path

from steadygrad.search.budget import Budget
from steadygrad.search.engine import Deaf, Worker
from steadygrad.search.objective import Look, Loss
from steadygrad.search.space import Parameter, Space
from steadygrad.search.stages import make_plan, sobol_points
from steadygrad.search.study import Study

LR = Parameter("lr", 1e-4, 1.0, log=True, limits=(0.0, 1e20))
DECAY = Parameter("weight_decay", 1e-6, 1e-2, log=True, limits=(0.0, 1e10))
IDLE = Parameter("dropout", 0.0, 0.5, limits=(0.0, 0.9))
SPACE = Space((LR, DECAY, IDLE))


class Valley:
    """Error grows with the distance from the best rate and decay, and falls while it trains.

    Above `cliff` the loss runs away. Dropout does not matter at all. Every part trained is a line
    in `ledger` (what, which part, by whom), so that several processes count together; `held`
    stops them where a test wants them.
    """

    full = 27
    noisy = False

    def __init__(self, ledger, *, lr=1e-2, decay=1e-4, cliff=math.inf, noise=0.0):
        self.ledger, self.best, self.cliff = Path(ledger), (lr, decay), cliff
        self.noise, self.noisy = noise, noise > 0
        self.held, self.mine = Path(f"{ledger}.held"), 0

    def train(self, fields, seed, stop, folder):
        folder.mkdir(parents=True, exist_ok=True)
        away = [math.log10(fields["lr"] / self.best[0])]
        if "weight_decay" in fields:
            away.append(0.7 * math.log10(fields["weight_decay"] / self.best[1]))
        level = 0.1 + 0.04 * sum(distance**2 for distance in away)
        level += self.noise * math.sin(1e4 * level + seed)
        there = self.done(folder)
        if there >= stop:
            yield Look(there, level + 0.5 * math.exp(-there / 6))
        for part in range(there + 1, stop + 1):
            for batch in range(8):
                yield Loss(2.3 * 3.0**batch if fields["lr"] > self.cliff else 2.3 / part)
            self.wait_while_held()
            with open(self.ledger, "a") as file:
                file.write(f"{fields['lr']!r}/{seed} {part} {os.getpid()}\n")
            self.mine += 1
            folder.mkdir(exist_ok=True)  # a worker that was suspended may find it taken away
            with open(folder / "done", "a") as file:
                file.write("." * (part - self.done(folder)))
            yield Look(part, level + 0.5 * math.exp(-part / 6))

    def done(self, folder):
        file = folder / "done"
        return file.stat().st_size if file.exists() else 0

    def hold(self, after):
        """Let every process that has trained so many parts wait in the middle of its next one."""
        self.held.write_text(str(after))

    def release(self):
        self.held.unlink()

    def wait_while_held(self):
        busy = self.busy(os.getpid())
        with suppress(FileNotFoundError, ValueError):  # released, or just about to be held
            while self.mine >= int(self.held.read_text()):
                busy.touch()
                time.sleep(0.01)
        busy.unlink(missing_ok=True)

    def busy(self, process):
        """Is there while that process is held."""
        return Path(f"{self.ledger}.{process}")

    def trained(self):
        """(rate and seed, part) of every part trained."""
        return [line[:2] for line in self.lines()]

    def lines(self):
        """The ledger: (rate and seed, part, process) of every part trained."""
        text = self.ledger.read_text() if self.ledger.exists() else ""
        return [
            (what, int(part), int(who)) for what, part, who in map(str.split, text.splitlines())
        ]


def searched(folder, objective, *, space=SPACE, runs=8.0, seed=0, place=None, **how):
    """Search with one worker; the worker, whose study has everything. `how`: as `Study` has it."""
    folder = Path(folder)
    plan = make_plan(objective.full, runs, noisy=objective.noisy, seed=seed)
    where = place or str(folder / "study.journal")
    study = Study(where, "search", **how)
    plan, space = study.begin(
        plan, space, sobol_points(space, plan.starts, seed), {"space": str(space)}
    )
    budget = Budget(parts=runs * objective.full)
    worker = Worker(study, objective, space, plan, budget, folder, Deaf())
    worker.run()
    return worker
