"""The report of a watched run."""

from __future__ import annotations

import linecache
import os
from typing import TYPE_CHECKING, Any

from steadygrad.watch.session import Session

if TYPE_CHECKING:
    from pathlib import Path


def write_report(path: str | Path, session: Session, title: str, command: str = "") -> None:
    """Write the HTML page of a session that has ended; a failure becomes one of its `failures`."""
    from steadygrad.report.data import ReportData
    from steadygrad.report.html import write_report as write
    from steadygrad.report.quotes import quotes

    def read(file: str, number: int) -> str:
        return linecache.getline(os.path.join(session.folder, file), number)

    summary: dict[str, Any] = {
        "findings": [vars(finding) for finding in session.findings],
        "steps": session.steps,
        "watch_seconds": session.watch_seconds,
        "script_seconds": session.script_seconds,
    }
    sources = quotes(session.findings, read)
    write(path, ReportData(session.record, title, summary, command=command, sources=sources))
