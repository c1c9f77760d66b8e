"""torchtest2, torch-audit and trainpulse on the corpus of faulty and healthy scripts.

    python benchmarks/peers_on_corpus.py [--ours found.json] [--only 'dead-relu*'] [--write]

Every script of tests/corpus runs unchanged, once with each tool attached from outside; a tool has
named a fault where any of its alarms fits the fault's lenient pattern. found.json is what
`python tests/corpus/run.py --out found.json` writes. benchmarks/README.md says how to install them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from side_by_side.tables import command, cpu_name, load, versions, write_section
from watched.patterns import names

HERE = Path(__file__).resolve().parent
CORPUS = HERE.parent / "tests" / "corpus"
sys.path.insert(0, str(CORPUS))
from case import Case, load_all  # noqa: E402
from corpus_data import SKIPPED  # noqa: E402

ON_SCRIPT = HERE / "watched" / "peer_on_script.py"
PEERS = {"torchtest2": "torchtest2", "torch-audit": "torch_audit", "trainpulse": "trainpulse"}
OURS = "steadygrad"
PATIENCE = 300
"""Seconds after which a script is given up, as in the corpus's own runner."""


@dataclass
class Told:
    """What a tool said of one script."""

    asked: bool
    """It could be handed what it wants: a model, a loss, a step."""
    alarms: list[str] = field(default_factory=list)
    named: bool = False
    skipped: bool = False
    why_not: str = ""
    crashed: bool = False

    @property
    def alarmed(self) -> bool:
        return bool(self.alarms)


Table = dict[str, dict[str, Told]]
"""Tool → script → what it said."""


def ask(peer: str, case: Case, seed: int, folder: Path) -> Told:
    """Run a script with a tool attached, in a process and a folder of its own."""
    place = folder / peer / case.path.parent.name / case.name
    place.mkdir(parents=True)
    report = place / "alarms.json"
    line = [sys.executable, ON_SCRIPT, peer, report, case.path.resolve(), "--seed", str(seed)]
    inherited = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(CORPUS), *map(os.path.abspath, inherited)]),
        "MPLBACKEND": "Agg",
    }
    try:
        done = subprocess.run(
            line, cwd=place, env=environment, capture_output=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return Told(asked=False, why_not="time is up")
    if done.returncode == SKIPPED:
        return Told(asked=False, skipped=True)
    if not report.exists():
        return Told(asked=False, why_not=done.stderr.decode(errors="replace").strip()[-300:])
    found = json.loads(report.read_text(encoding="utf-8"))
    texts = [alarm["text"] for alarm in found["alarms"]]
    named = not case.healthy and any(names(rule, text) for rule in case.rules for text in texts)
    return Told(
        found["asked"], texts, named, why_not=found["why_not"], crashed=bool(found["crash"])
    )


def ask_all(options: argparse.Namespace, cases: list[Case]) -> Table:
    """Every tool on every script, a few at a time."""
    table: Table = {peer: {} for peer in options.peers}
    jobs = [(peer, case) for case in cases for peer in options.peers]
    with (
        tempfile.TemporaryDirectory(prefix="peers-") as folder,
        ThreadPoolExecutor(options.jobs) as pool,
    ):
        running = {
            pool.submit(ask, peer, case, options.seed, Path(folder)): (peer, case)
            for peer, case in jobs
        }
        for number, future in enumerate(as_completed(running), 1):
            peer, case = running[future]
            told = table[peer][case.name] = future.result()
            verdict = "named" if told.named else f"{len(told.alarms)} alarms"
            say(f"[{number}/{len(jobs)}] {peer} {case.name}: {told.why_not or verdict}")
    return table


def read_ours(path: Path, seed: int) -> dict[str, Told]:
    """Our own findings: the right rule as an error or a warning, with no leniency."""
    table = {}
    for run in json.loads(path.read_text(encoding="utf-8")):
        if run["kind"] == "fixed" or run["seed"] != seed or run["status"] == SKIPPED:
            continue
        loud = [f for f in run["findings"] or [] if f["severity"] in ("error", "warning")]
        verdict = run.get("verdict") or {}
        alarms = [f"{f['severity']} {f['rule']}" for f in loud]
        table[run["case"]] = Told(run["findings"] is not None, alarms, bool(verdict.get("found")))
    return table


def share(count: int, total: int) -> str:
    return f"{count} of {total} ({count / total:.0%})" if total else "–"


def summary(table: Table, cases: list[Case]) -> list[str]:
    """One row for every tool."""
    faulty = [case.name for case in cases if not case.healthy]
    healthy = [case.name for case in cases if case.healthy]
    lines = [
        "| tool | asked, of faulty scripts | any alarm | named the fault | "
        "asked, of healthy scripts | false alarms on healthy scripts | healthy scripts broken |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for tool, said in table.items():
        sick, well = ([said[n] for n in part if n in said] for part in (faulty, healthy))
        sick, well = ([t for t in part if not t.skipped] for part in (sick, well))
        lines.append(
            f"| {tool} | {share(sum(t.asked for t in sick), len(sick))} | "
            f"{share(sum(t.alarmed for t in sick), len(sick))} | "
            f"**{share(sum(t.named for t in sick), len(sick))}** | "
            f"{share(sum(t.asked for t in well), len(well))} | "
            f"**{share(sum(t.alarmed for t in well), len(well))}** | "
            f"{sum(t.crashed for t in well)} |"
        )
    return lines


def by_rule(table: Table, cases: list[Case]) -> list[str]:
    """How many scripts of every fault each tool named."""
    rules: dict[str, list[str]] = {}
    for case in cases:
        if not case.healthy:
            rules.setdefault(case.rule, []).append(case.name)
    head = "| fault | scripts | " + " | ".join(table) + " |"
    lines = [head, "|---|--:|" + "--:|" * len(table)]
    for rule, scripts in sorted(rules.items()):
        counts = [sum(n in said and said[n].named for n in scripts) for said in table.values()]
        lines.append(f"| `{rule}` | {len(scripts)} | " + " | ".join(map(str, counts)) + " |")
    return lines


def say(text: str) -> None:
    """Progress goes to standard error."""
    print(text, file=sys.stderr, flush=True)


def read_options() -> argparse.Namespace:
    """The command line, with tools that are not installed left out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("--only", default="*", metavar="GLOB", help="names of scripts")
    add("--peers", choices=PEERS, default=list(PEERS), nargs="*", help="tools (all)")
    add("--ours", type=Path, metavar="FILE", help="tests/corpus/run.py --out FILE: beside theirs")
    add("--seed", type=int, default=0)
    add("--jobs", type=int, default=2, help="scripts at a time (2)")
    add("--quick", action="store_true", help="three scripts of each kind: does it run?")
    add("--out", type=Path, metavar="FILE", help="everything that was said, as JSON")
    add("--write", action="store_true", help="put the tables into benchmarks/RESULTS.md")
    options = parser.parse_args()
    for peer in [name for name in options.peers if find_spec(PEERS[name]) is None]:
        say(f"{peer} is left out: not installed (see benchmarks/README.md)")
        options.peers.remove(peer)
    return options


def main() -> None:
    """Ask everybody, print the tables as Markdown."""
    options = read_options()
    parts = [load_all(kind, options.only) for kind in ("faulty", "healthy")]
    cases = [
        case
        for part in parts
        for case in (part[:: max(1, len(part) // 3)][:3] if options.quick else part)
    ]
    began = load()
    table = ask_all(options, cases)
    if options.out:
        written: dict[str, Any] = {
            tool: {name: vars(told) for name, told in said.items()} for tool, said in table.items()
        }
        options.out.write_text(json.dumps(written, indent=1), encoding="utf-8")
    if options.ours:
        wanted = {case.name for case in cases}
        own = read_ours(options.ours, options.seed)
        table = {OURS: {name: told for name, told in own.items() if name in wanted}, **table}
    lines = [
        "## Watching: other tools on the same corpus",
        "",
        f"`{command('python benchmarks/peers_on_corpus.py')}`",
        "",
        f"- CPU: {cpu_name()}; {options.jobs} scripts at a time, one thread each",
        "- " + ", ".join(versions(["torch", *PEERS])),
        f"- Load average: {began} at the start, {load()} at the end",
        "",
        *summary(table, cases),
        "",
        *by_rule(table, cases),
    ]
    print("\n".join(lines), flush=True)
    if options.write:
        write_section(HERE / "RESULTS.md", "peers-on-corpus", "\n".join(lines))


if __name__ == "__main__":
    main()
