"""A whole script watched, from its first line to the exit status."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from steadygrad.errors import SteadygradError
from steadygrad.judging.judge import failure_text
from steadygrad.judging.ledger import at_least
from steadygrad.record import Finding
from steadygrad.watch import program, tracebacks, words
from steadygrad.watch.importing import AfterImport
from steadygrad.watch.program import NotRunnable, Program
from steadygrad.watch.session import FOUND, Options, Session, Stop, set_current
from steadygrad.watch.spawned import Spawning

INTERRUPTED = 130
DEADLY = ("SIGTERM", "SIGHUP")
"""Signals that end a process which does not ask for them; the script's own handlers come first."""


@dataclass
class Outcome:
    """What is known when the script is over."""

    session: Session
    script: str
    exit_status: int

    def to_dict(self) -> dict[str, Any]:
        """As `--json` writes it."""
        return {
            "findings": [vars(finding) for finding in self.session.findings],
            "steps": self.session.steps,
            "script": self.script,
            "exit_status": self.exit_status,
            "watch_seconds": round(self.session.watch_seconds, 4),
            "script_seconds": round(self.session.script_seconds, 4),
            "failures": self.session.failures,
        }


@dataclass
class Run:
    """Runs one program under one session; `publish` gets the outcome once, whatever happens."""

    program: Program
    options: Options
    publish: Callable[[Outcome], None]
    quiet: bool = False
    silent: bool = False
    """Not the process that speaks: another rank of a distributed run."""
    session: Session = field(init=False)
    _published: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._stream = sys.stderr
        self._spawning = Spawning(self.quiet)
        self._import = AfterImport("torch", self._torch_imported)
        self.session = Session(replace(self.options, whole_script=True), [self._tell])
        self.session.on_swallowed = self._end_now

    def run(self) -> Any:
        """Run the program; returns what to hand to `sys.exit`."""
        set_current(self.session)
        process = os.getpid()
        if not self.silent or self.options.stop_after:
            self._import.install()
        self._listen()
        code, error = self._execute()
        if os.getpid() != process:  # a fork of the script's own came out here
            return code
        try:
            return self._end(code, error)
        except Exception as failure:
            text = words.failure_line(failure_text("the end of the watch failed", failure))
            self._say(lambda: text)
            return code

    def _torch_imported(self) -> None:
        self.session.start()
        if not self.silent:
            self._spawning.install()

    def _execute(self) -> tuple[Any, BaseException | None]:
        """The program's exit code and the exception it died of."""
        try:
            try:
                program.execute(self.program)
            finally:
                # What Python does behind a script's last line: threads may still be training.
                threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue]
        except NotRunnable:
            self._published = True
            raise
        except Stop as stop:
            return stop.code, None
        except SystemExit as stop:
            return _shown_code(stop.code), None
        except KeyboardInterrupt as error:
            tracebacks.show(error)
            return INTERRUPTED, error
        except BaseException as error:
            tracebacks.show(error)
            return 1, error
        return 0, None

    def _end(self, code: Any, error: BaseException | None) -> Any:
        self._import.uninstall()
        self._spawning.uninstall()
        self._spawning.hand_over(self.session)
        findings = self.session.finish(error)
        interrupted = isinstance(error, KeyboardInterrupt)
        failing = any(at_least(finding, self.options.fail_on) for finding in findings)
        if (failing or isinstance(self.session.stopped, Finding)) and not interrupted:
            code = FOUND
        return self._publish(code)

    def _publish(self, code: Any) -> Any:
        """Summary and files; returns the exit code, which a failure of these can raise to 1."""
        if self._published or self.silent:
            return code
        self._published = True
        if not self.quiet:
            self._say(lambda: words.session_text(self.session))
        status = code & 0xFF if isinstance(code, int) else 0 if code is None else 1
        try:
            self.publish(Outcome(self.session, self.program.name, status))
        except (SteadygradError, OSError) as error:
            message = str(error)
            self._say(lambda: f"{words.NAME}{message}")
            return code or 1
        return code

    def _tell(self, finding: Finding) -> None:
        if not (self.quiet or self.silent) and finding.severity != "note":
            self._say(lambda: words.finding_text(finding, self.session.folder))

    def _say(self, text: Callable[[], str]) -> None:
        """Print what `text` makes; nothing that goes wrong here may reach the script."""
        if self._stream is None:
            return
        try:
            shown = text()
        except Exception as error:
            shown = words.failure_line(failure_text("words failed", error))
        with suppress(OSError, ValueError):  # the stream may be closed, or nobody listen any more
            print(shown, file=self._stream, flush=True)

    def _end_now(self) -> None:
        """The script catches every stop: nothing but ending the process ends it."""
        self._publish(self._end_code())
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(self._end_code())

    def _end_code(self) -> int:
        self.session.finish()
        return FOUND if isinstance(self.session.stopped, Finding) else 0

    def _listen(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for name in DEADLY:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, self._die)

    def _die(self, number: int, frame: Any) -> None:  # noqa: ARG002
        """Say the last word, then die as the signal wants it."""
        signal.signal(number, signal.SIG_DFL)
        if not self.session.inert:
            with suppress(Exception):
                self.session.finish()
                self._publish(128 + number)
        os.kill(os.getpid(), number)


def _shown_code(code: Any) -> Any:
    """A text given to `sys.exit` is printed now, before the summary: it is the script's word."""
    if code is None or isinstance(code, int):
        return code
    with suppress(OSError, ValueError):
        print(code, file=sys.stderr, flush=True)
    return 1
