"""Runs steadygrad commands in processes forked from one that has loaded torch already.

A command costs its work and not the seconds of importing; it is a process all the same, with its
own memory, files and signals, and can be killed. Requests and answers are JSON lines on the
standard streams; `ForkServer` is the side a test holds.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Ended:
    status: int
    """As a shell has it: 128 + signal where one killed it."""
    out: str
    err: str


class ForkServer:
    """Runs commands; `environment` is added to this process's own."""

    def __init__(self, folder, **environment):
        self._folder = Path(folder)
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            text=True,
        )

    def run(self, *arguments, cwd=None, wait_for=None, then=None, before="", pause=0.0):
        """Run `steadygrad ARGUMENTS` to its end.

        `before` is Python run in the process first. With `wait_for`, a file, it gets the signal
        `then` (default: kill -9) `pause` seconds after that file has appeared or changed; without
        it, `pause` seconds after its start.
        """
        request = {
            "arguments": [os.fspath(item) for item in arguments],
            "cwd": os.fspath(cwd or self._folder),
            "wait_for": wait_for and os.fspath(wait_for),
            "signal": int(then or signal.SIGKILL) if wait_for or then or pause else 0,
            "pause": pause,
            "before": before,
            "files": [os.fspath(self._folder / name) for name in ("stdout.txt", "stderr.txt")],
        }
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        answer = self._server.stdout.readline()
        assert answer, "the fork server died"
        out, err = (Path(name).read_text(errors="surrogateescape") for name in request["files"])
        return Ended(json.loads(answer)["status"], out, err)

    def close(self):
        self._server.stdin.close()
        self._server.wait(timeout=30)


def state_of(path):
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def serve_one(request):
    before = state_of(request["wait_for"]) if request["wait_for"] else None
    child = os.fork()
    if child == 0:
        in_child(request)
    if request["signal"]:
        deadline = time.monotonic() + 60
        while request["wait_for"] and state_of(request["wait_for"]) in (None, before):
            if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                break
            assert time.monotonic() < deadline, f"{request['wait_for']} did not appear"
            time.sleep(0.001)
        time.sleep(request["pause"])
        os.kill(child, request["signal"])
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def in_child(request):
    code = 99
    try:
        for number, name in enumerate(request["files"], start=1):
            handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(handle, number)
        os.chdir(request["cwd"])
        sys.argv = ["steadygrad", *request["arguments"]]
        exec(request["before"], {})
        # As a fresh process has them: what the old objects know of the old files is void.
        with suppress(OSError):
            sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115
        from steadygrad.cli import main

        try:
            main(request["arguments"])
        except SystemExit as stop:
            code = stop.code or 0
        except BaseException:
            import traceback

            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def serve():
    import torch

    from steadygrad import fit
    from steadygrad.record import Recipe

    torch.set_num_threads(1)
    # A whole run imports and builds all that a child then has.
    recipe = Recipe(
        epochs=1, model="logistic", precision="fp32", memory_format="contiguous", threads=1
    )
    with tempfile.TemporaryDirectory() as folder:
        fit.run(fit.Job("digits", os.path.join(folder, "run")), recipe)
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        answers.write(json.dumps({"status": serve_one(json.loads(line))}) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
