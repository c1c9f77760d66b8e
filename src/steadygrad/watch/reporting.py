"""The report of a watched run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steadygrad.watch.session import Session

if TYPE_CHECKING:
    from pathlib import Path


def write_report(path: str | Path, session: Session, title: str, command: str = "") -> None:
    """Write the HTML page of a session that has ended; a failure becomes one of its `failures`."""
    from steadygrad.report.data import ReportData
    from steadygrad.report.html import write_report as write

    summary = {"findings": [vars(finding) for finding in session.findings]}
    write(path, ReportData(session.record, title, summary=summary, command=command))
