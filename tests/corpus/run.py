"""Run the corpus through `steadygrad watch` and print what was found, missed and cried wolf.

    python tests/corpus/run.py                      every case once
    python tests/corpus/run.py --only 'dead-relu*' --seeds 0,1
    python tests/corpus/run.py --verify             without the tool: do the fixes help?

The last line of a case's output is its score. Exit status 1 where a target is missed.
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import scoring
from case import FOLDER, Case, load_all
from scoring import Outcome

PATIENCE = 300
"""Seconds after which a case that should take ten is given up."""

SCORE = re.compile(r"^score: (\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Job:
    case: Case
    kind: str
    seed: int


def environment() -> dict[str, str]:
    """One core each, the data's module within reach, nothing drawn on a screen."""
    path = os.pathsep.join(filter(None, (str(FOLDER), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, "MPLBACKEND": "Agg"}


def default_tool() -> str:
    beside = Path(sys.executable).with_name("steadygrad")
    return str(beside) if beside.exists() else "steadygrad"


def run_job(job: Job, tool: Sequence[str], folder: Path) -> Outcome:
    """Run one script, under the tool where one is given, in a folder of its own."""
    place = folder / job.kind / str(job.seed) / job.case.name
    place.mkdir(parents=True, exist_ok=True)
    script, report = job.case.path.resolve(), place / "found.json"
    if job.kind == "fixed":
        script = place / job.case.path.name
        script.write_text(job.case.fixed, encoding="utf-8")
    watch = [*tool, "watch", "--json", str(report)] if tool else [sys.executable]
    command = [*watch, str(script), "--seed", str(job.seed)]
    start = time.perf_counter()
    status: int | None = None
    try:
        done = subprocess.run(
            command, cwd=place, env=environment(), capture_output=True, timeout=PATIENCE
        )
        status, stdout, stderr = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        stdout, stderr = late.stdout or b"", late.stderr or b""
    seconds = time.perf_counter() - start
    written = read_report(report)
    return Outcome(
        case=job.case.name,
        kind=job.kind,
        seed=job.seed,
        status=status,
        seconds=round(seconds, 2),
        score=read_score(stdout.decode(errors="replace")),
        findings=None if written is None else written.get("findings", []),
        stderr=stderr.decode(errors="replace")[-4000:],
        tool_failures=[] if written is None else written.get("failures", []),
    )


def read_report(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def read_score(stdout: str) -> float | None:
    found = SCORE.findall(stdout)
    try:
        return float(found[-1]) if found else None
    except ValueError:
        return None


def plan(only: str, seeds: Sequence[int], kinds: Sequence[str]) -> Iterator[Job]:
    for seed in seeds:
        for case in (*load_all("faulty", only), *load_all("healthy", only)):
            of_case = ("healthy",) if case.healthy else ("faulty", "fixed")
            yield from (Job(case, kind, seed) for kind in of_case if kind in kinds)


def run_all(
    jobs: Sequence[Job], tool: Sequence[str], workers: int, seen: Callable[[Job, Outcome], None]
) -> list[tuple[Job, Outcome]]:
    """Run the jobs a few at a time; the result is in the order asked for."""
    outcomes: dict[Job, Outcome] = {}
    with (
        tempfile.TemporaryDirectory(prefix="corpus-") as folder,
        ThreadPoolExecutor(workers) as pool,
    ):
        running = {pool.submit(run_job, job, tool, Path(folder)): job for job in jobs}
        for future in as_completed(running):
            job = running[future]
            outcomes[job] = future.result()
            seen(job, outcomes[job])
    return [(job, outcomes[job]) for job in jobs]


def progress(total: int) -> Callable[[Job, Outcome], None]:
    done = 0

    def seen(job: Job, outcome: Outcome) -> None:
        nonlocal done
        done += 1
        name = f"{job.case.name} {job.kind} seed {job.seed}"
        print(f"[{done}/{total}] {name} {outcome.seconds:.1f} s", file=sys.stderr)

    return seen


def report_watched(results: Sequence[tuple[Job, Outcome]]) -> int:
    cases, outcomes = [job.case for job, _ in results], [outcome for _, outcome in results]
    print(scoring.table(cases, outcomes))
    print(*scoring.healthy_lines(outcomes), sep="\n")
    print()
    misses = [line for job, outcome in results if (line := scoring.miss(job.case, outcome))]
    print(*sorted(misses), sep="\n")
    serious = ("MISSED", "ALARM", "NO REPORT", "TOOL FAILED")
    return int(any(line.startswith(serious) for line in misses))


def report_verified(results: Sequence[tuple[Job, Outcome]]) -> int:
    """Say of each faulty case whether its fix helps, and of each healthy one what it scores."""
    cases = {job.case.name: job.case for job, _ in results}
    bad = 0
    for name, case in cases.items():
        mine = [outcome for job, outcome in results if job.case.name == name]
        slowest = max(outcome.seconds for outcome in mine)
        if case.healthy:
            failed = any(outcome.status not in (0, scoring.SKIPPED) for outcome in mine)
            scores = [outcome.score for outcome in mine if outcome.score is not None]
            helps, text = not failed, scoring.show(scores)
        else:
            kinds = [[o for o in mine if o.kind == kind] for kind in ("faulty", "fixed")]
            helps, text = scoring.compare(case, *kinds)
        bad += not helps
        print(f"{'ok ' if helps else 'BAD'} {name:<48} {slowest:5.1f} s  {text}")
    print(f"{len(cases) - bad} of {len(cases)} good")
    return int(bad > 0)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="*", metavar="GLOB", help="names of cases")
    parser.add_argument("--kinds", default="faulty,fixed,healthy")
    parser.add_argument("--seeds", default=None, help="e.g. 0,1,2 (0; with --verify 0,1,2)")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--tool", default=default_tool(), help="command that knows `watch`")
    parser.add_argument("--verify", action="store_true", help="run without the tool")
    parser.add_argument("--out", type=Path, metavar="FILE", help="all details as JSON")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    seeds = [int(s) for s in (options.seeds or ("0,1,2" if options.verify else "0")).split(",")]
    jobs = list(plan(options.only, seeds, options.kinds.split(",")))
    tool = [] if options.verify else shlex.split(options.tool)
    results = run_all(jobs, tool, options.jobs, progress(len(jobs)))
    if options.out:
        details = [scoring.detail(job.case, outcome) for job, outcome in results]
        options.out.write_text(json.dumps(details, indent=1), encoding="utf-8")
    return report_verified(results) if options.verify else report_watched(results)


if __name__ == "__main__":
    raise SystemExit(main())
