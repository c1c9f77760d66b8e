"""A worker as a process of its own: FOLDER STORAGE RUNS SLOW [MACHINE GRACE BEAT].

MACHINE: it takes itself for one on another machine, whose processes can't be looked at from here.
"""

import sys
from pathlib import Path

from search_problems import PULSE, Valley, searched

from steadygrad.search import workers

if __name__ == "__main__":
    folder, place, runs, slow, *elsewhere = sys.argv[1:]
    pulse = PULSE
    if elsewhere:
        name, *seconds = elsewhere
        workers._machine = lambda: name
        pulse = tuple(map(float, seconds))
    objective = Valley(Path(folder) / "ledger", slow=float(slow))
    searched(folder, objective, runs=float(runs), place=place, pulse=pulse)
