"""The winner's full run: one worker trains it, however many machines searched together."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from steadygrad.search.space import Space
from steadygrad.search.study import Study
from steadygrad.search.tried import DONE

WINNER, RESULT = "winner", "result"
WAIT_SECONDS = 1.0


class Winner:
    """A study of one trial beside the search's own: whoever makes it trains the winner.

    That its worker lives, and who takes over when it does not, is as with any trial.
    """

    def __init__(self, place: str, name: str, *, study: Study | None = None) -> None:
        self._study = study or Study(place, f"{name}-winner")
        self._study.enter()

    @property
    def is_named(self) -> bool:
        """Whether the search is over: somebody trains the winner, or has."""
        return bool(self._study.trials())

    def train_once(
        self, number: int, train: Callable[[int], dict[str, Any]], say: Callable[[str], None]
    ) -> tuple[int, dict[str, Any]]:
        """The number of the trial that won and what `train` made of it, here or elsewhere.

        `number` is who won as this worker sees it; another one may have named the winner already.
        """
        study = self._study
        mine = study.start({}, Space(()), {WINNER: number}, only=WINNER)
        told = False
        while mine is None:
            mine = study.pick_up()
            over = [trial.number for trial in study.trials() if trial.state == DONE]
            if mine is None and over:
                known = study.known(over[0])
                return known[WINNER], known[RESULT]
            if mine is None and not told:
                say("Another worker of this search trains the winner; waiting for it.")
                told = True
            time.sleep(WAIT_SECONDS if mine is None else 0)
        number = study.known(mine.number)[WINNER]
        with study.heart(mine.number):
            result = train(number)
        study.note(mine.number, **{RESULT: result})
        study.leave(mine.number, DONE, 0.0)
        return number, result
