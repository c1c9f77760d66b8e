"""What is shown of a search: a line for each trial without a terminal, a panel on one."""

import io
import time

import pytest
from rich.console import Console

from steadygrad.cli.search_progress import SearchProgress
from steadygrad.search.tried import DONE, ENDED, WAITING, Tried

TRIED = [
    Tried(0, {}, DONE, {9: 0.3, 27: 0.125}, target=27, stage="fine"),
    Tried(1, {}, ENDED, {1: 0.9}, reason="its loss became nan in mini-batch 4", diverged=True),
    Tried(2, {}, WAITING, {9: 0.5}, target=9, reason="ranked out after 9 of 27 parts: ..."),
    Tried(3, {}, WAITING),
]


def shown(*, terminal):
    out = io.StringIO()
    progress = SearchProgress(3600.0, time.time() - 60)
    progress.console = Console(file=out, force_terminal=terminal, width=300, highlight=False)
    with progress:
        for trial in TRIED[:3]:
            progress.begun(trial, 27, "fine")
            progress.looked(trial, 9, 0.5)
            progress.left(trial, TRIED, 100.0)
        progress.begun(TRIED[3], 27, "fine")
        if terminal:
            progress._live.refresh()
    return out.getvalue()


def test_without_a_terminal_each_trial_is_a_line_with_its_reason_and_the_time_left():
    lines = shown(terminal=False).splitlines()
    assert len(lines) == 3
    assert all(" min " in line and line.endswith(" s left") for line in lines)
    assert lines[0].startswith("fine: trial 0 done, validation error 12.5 %; best 12.5 % (trial 0)")
    assert "4 trials: 1 to come, 1 paused, 1 full length, 1 ended" in lines[0]
    assert "trial 1 ended" in lines[1]
    assert "nan in mini-batch 4" in lines[1]
    assert "trial 2 paused after part 9" in lines[2]
    assert "ranked out after 9 of 27" in lines[2]


def test_on_a_terminal_a_panel_says_what_runs_and_only_news_stays():
    text = shown(terminal=True)
    assert "now: trial 3, to part 27" in text
    assert "left, the winner's run included" in text
    assert "before: trial 2 paused after part 9" in text
    kept = [line for line in text.splitlines() if "full length, 1 ended; " in line]
    assert len(kept) == 2  # the new best and the one that was ended


@pytest.mark.parametrize("terminal", [False, True])
def test_quiet_shows_nothing(terminal):
    out = io.StringIO()
    progress = SearchProgress(60.0, time.time(), quiet=True)
    progress.console = Console(file=out, force_terminal=terminal)
    with progress:
        progress.begun(TRIED[0], 27, "fine")
        progress.left(TRIED[0], TRIED, 1.0)
    assert out.getvalue() == ""
