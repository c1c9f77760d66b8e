"""Real training scripts in real processes: what is found, said, stopped, and left as it was."""

import json
import signal
import subprocess

import pytest
import torch
from watch_scripts import (
    COMMAND,
    NOT_A_NUMBER,
    environment,
    plainly,
    train,
    watched,
    without_our_words,
    write,
)

from steadygrad.record import Record


def found(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_weights_and_output_are_those_of_an_unwatched_run(tmp_path):
    write(tmp_path, "train.py", train(loader=", num_workers=2"))
    plain = plainly(tmp_path, "train.py", "plain.pt")
    other = watched(tmp_path, "train.py", "watched.pt")
    assert (other.out, other.status) == (plain.out, plain.status)
    assert without_our_words(other.err) == plain.err
    assert "nothing wrong seen in 20 steps; watching took" in other.err
    assert other.err.count("steadygrad:") == 1
    one, two = (torch.load(tmp_path / name) for name in ("plain.pt", "watched.pt"))
    assert list(one) == list(two)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_fault_is_told_at_once_and_written_down(tmp_path):
    write(
        tmp_path,
        "train.py",
        train(f"print('step', step, flush=True, file=sys.stderr); {NOT_A_NUMBER}"),
    )
    files = ["--json", "found.json", "--report", "page.html", "--out", "kept"]
    ended = watched(tmp_path, *files, "train.py")
    assert ended.status == 0
    live, summary = ended.err.split("step 19")
    assert live.count("ERROR non-finite") == 1
    assert live.index("ERROR non-finite") < live.index("step 8")
    assert summary.count("ERROR non-finite") == 1
    values = found(tmp_path / "found.json")
    assert values["script"] == "train.py"
    assert (values["steps"], values["exit_status"], values["failures"]) == (20, 0, [])
    assert 0 < values["watch_seconds"] < values["script_seconds"]
    first = values["findings"][0]
    assert (first["rule"], first["severity"]) == ("non-finite", "error")
    assert {"step", "where", "saw", "expected", "fix", "source"} <= set(first)
    assert set(first["where"]) == {"file", "line", "module", "parameter"}
    assert first["where"]["file"] in ("train.py", None)
    record = Record.load(tmp_path / "kept" / "record.jsonl")
    assert [finding.rule for finding in record.findings] == [
        row["rule"] for row in values["findings"]
    ]
    assert record.loop.finished
    assert {graph.kind for graph in record.graphs} == {"train"}
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "non-finite" in page
    assert "train.py" in page


def test_fail_on_stops_the_script_with_status_3(tmp_path):
    body = f"print('step', step); {NOT_A_NUMBER}"
    write(tmp_path, "train.py", train(body))
    ended = watched(tmp_path, "--fail-on", "error", "--json", "-", "train.py")
    assert ended.status == 3
    assert "last loss" not in ended.out
    values = json.loads(ended.out.splitlines()[-1])
    assert values["exit_status"] == 3
    assert 3 < values["steps"] < 10
    assert "stopped at a certain error, non-finite" in ended.err
    assert "Traceback" not in ended.err
    ignoring = watched(
        tmp_path, "--fail-on", "error", "--quiet", "--ignore", "non-finite,not-learning", "train.py"
    )
    assert "non-finite" not in ignoring.err


def test_stop_after_leaves_loops_that_catch_exceptions(tmp_path):
    code = train("print('step', step)", ", num_workers=2")
    code = code.replace("        loss = ", "        try:\n         loss = ")
    code = code.replace("        optimizer.zero", "         optimizer.zero")
    code = code.replace("        loss.back", "         loss.back")
    code = code.replace(
        "        optimizer.step()", "         optimizer.step()\n        except Exception: pass"
    )
    write(tmp_path, "train.py", code)
    ended = watched(tmp_path, "--stop-after", "7", "--json", "f.json", "train.py")
    assert ended.status == 0
    assert ended.out.split() == " ".join(f"step {n}" for n in range(7)).split()
    assert found(tmp_path / "f.json")["steps"] == 7
    assert "stopped after 7 steps" in ended.err
    write(tmp_path, "train.py", code.replace("except Exception", "except"))
    ended = watched(tmp_path, "--stop-after", "2", "--json", "f.json", "train.py")
    assert ended.status == 0
    assert "last loss" not in ended.out
    assert found(tmp_path / "f.json")["exit_status"] == 0


CRASHES = {
    "in a layer": ("x = x[:, :5]", "mat1 and mat2 shapes cannot be multiplied"),
    "in a functional": ("nn.functional.dropout(x, 7.0)", "dropout probability"),
    "in the loss": ("y = y + 3", "out of bounds"),
    "in the loop": ("1 / (step - 3)", "division by zero"),
}


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in list(CRASHES)[1:]]


@pytest.mark.parametrize("name", ["in a layer", *SLOW])
def test_a_crash_looks_as_under_python(tmp_path, name):
    before, message = CRASHES[name]
    write(tmp_path, "train.py", train(before))
    plain = plainly(tmp_path, "train.py")
    ended = watched(tmp_path, "--json", "found.json", "train.py")
    assert message in plain.err
    assert without_our_words(ended.err) == plain.err
    assert ended.status == plain.status == 1
    assert found(tmp_path / "found.json")["exit_status"] == 1
    assert found(tmp_path / "found.json")["failures"] == []


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)]
)
def test_an_interrupted_run_has_its_last_word(tmp_path, number, status):
    before = "if step == 5:\n            print('ready', flush=True); import time; time.sleep(60)"
    write(tmp_path, "train.py", train(before, ", num_workers=2"))
    process = subprocess.Popen(
        [*COMMAND, "--json", "found.json", "train.py"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What runs in a shell's background ignores Ctrl-C, and its children do.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert "in 5 steps; watching took" in err
    assert err.count("watching took") == 1
    assert ("KeyboardInterrupt" in err) == (number == signal.SIGINT)
    assert "steadygrad/watch" not in err
    assert found(tmp_path / "found.json")["exit_status"] == 128 + number


@pytest.mark.slow
def test_workers_started_by_spawn_and_an_own_process_are_not_watched(tmp_path):
    loader = ", num_workers=2, multiprocessing_context='spawn'"
    write(tmp_path, "train.py", train(loader=loader))
    ended = watched(tmp_path, "train.py")
    assert ended.status == 0
    assert ended.err.count("steadygrad:") == 1
    assert "in 20 steps" in ended.err


def test_scripts_that_hardly_train(tmp_path):
    write(tmp_path, "three.py", train("if step == 3: sys.exit('enough')"))
    ended = watched(tmp_path, "three.py")
    assert ended.status == 1
    assert ended.err.startswith("enough\n")
    assert "in 3 steps" in ended.err
    write(tmp_path, "score.py", "import torch\ntorch.nn.Linear(2, 2)(torch.ones(3, 2))\n")
    ended = watched(tmp_path, "score.py")
    assert ended.err == "steadygrad: no training was seen: no backward was called.\n"
    write(tmp_path, "steps.py", train().replace("optimizer.step()", "pass"))
    ended = watched(tmp_path, "--json", "-", "steps.py")
    assert ended.status == 0
    assert json.loads(ended.out.splitlines()[-1])["failures"] == []


def test_environment_set_by_the_script_comes_before_torch(tmp_path):
    code = """
    import os
    os.environ["OMP_NUM_THREADS"] = "2"
    import torch
    print(torch.get_num_threads())
    """
    write(tmp_path, "script.py", code)
    assert watched(tmp_path, "script.py").out == plainly(tmp_path, "script.py").out


def test_a_failing_rule_costs_only_itself(tmp_path):
    code = """
    from steadygrad import rules
    def broken(record):
        raise KeyError("broken")
    rules.RULES = (broken, *rules.RULES)
    from steadygrad.cli import main
    main(["watch", "--json", "-", "train.py"])
    """
    write(tmp_path, "start.py", code)
    write(tmp_path, "train.py", train(NOT_A_NUMBER))
    ended = plainly(tmp_path, "start.py")
    values = json.loads(ended.out.splitlines()[-1])
    assert len(values["failures"]) == 1
    assert "the rule 'broken' failed: KeyError: 'broken'" in values["failures"][0]
    assert "non-finite" in [row["rule"] for row in values["findings"]]
    assert "a fault of Steadygrad itself" in ended.err


SPAWN = """
import sys
import torch
import torch.distributed
import torch.multiprocessing
from torch import nn

def work(rank, store):
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    torch.manual_seed(0)
    net = nn.parallel.DistributedDataParallel(nn.Linear(8, 4))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for step in range(12):
        x, y = torch.randn(32, 8), torch.randint(0, 4, (32,))
        x = x * float("nan") if step == 2 else x
        loss = nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("end", rank)
    torch.distributed.destroy_process_group()

if __name__ == "__main__":
    torch.multiprocessing.spawn(work, args=("file://" + sys.argv[1],), nprocs=2)
"""


@pytest.mark.slow
def test_training_in_spawned_processes_is_watched_in_the_first(tmp_path):
    write(tmp_path, "train.py", SPAWN)
    ended = watched(tmp_path, "--json", "found.json", "train.py", tmp_path / "store1")
    assert ended.status == 0
    assert sorted(ended.out.split()) == ["0", "1", "end", "end"]
    assert found(tmp_path / "found.json")["steps"] == 12
    assert found(tmp_path / "found.json")["findings"][0]["rule"] == "non-finite"
    ended = watched(tmp_path, "--fail-on", "error", "train.py", tmp_path / "store2")
    assert ended.status == 3
    assert "Traceback" not in ended.err
    assert "end" not in ended.out


def test_an_own_loop_with_a_watch_inside_looks_on_at_the_outer_one(tmp_path):
    code = train(NOT_A_NUMBER).replace(
        'if __name__ == "__main__":', "import steadygrad\nwith steadygrad.watch() as watching:"
    )
    write(tmp_path, "train.py", code + "\nprint([f.rule for f in watching.findings][:1])\n")
    ended = watched(tmp_path, "train.py")
    assert ended.status == 0
    assert "non-finite" in ended.out
    assert ended.err.count("in 20 steps") == 1


def test_a_training_script_may_be_run_by_another(tmp_path):
    write(tmp_path, "start.py", "def go():\n    import train\ngo()\n")
    write(tmp_path, "train.py", train().replace('if __name__ == "__main__":', "if True:"))
    assert "in 20 steps" in watched(tmp_path, "start.py").err
