"""A worker as a process of its own: FOLDER STORAGE RUNS SLOW."""

import sys
from pathlib import Path

from search_problems import Valley, searched

if __name__ == "__main__":
    folder, place, runs, slow = sys.argv[1:]
    objective = Valley(Path(folder) / "ledger", slow=float(slow))
    searched(folder, objective, runs=float(runs), place=place)
