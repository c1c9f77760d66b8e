"""What a search leaves in its folder: search.json, and report.html drawn from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from steadygrad.errors import InputError
from steadygrad.record import write_json
from steadygrad.record.store import write_text
from steadygrad.report.search_page import page
from steadygrad.search.account import account
from steadygrad.search.shared import SharedStudy, read_study
from steadygrad.search.space import Space
from steadygrad.search.stages import Plan
from steadygrad.search.verdict import decide

ACCOUNT, PAGE, JOURNAL = "search.json", "report.html", "study.journal"
STUDY_NAME = "steadygrad-search"


def account_of(study: SharedStudy, plan: Plan, space: Space, pictures: int = 0) -> dict[str, Any]:
    """The account of a study as it stands; `pictures`: how many each error was scored on."""
    tried = study.trials()
    verdict = decide(tried, plan, pictures)
    found = account(tried, plan, (space, study.ranges(space)), verdict, study.told())
    return found | {"pictures": pictures, "age": study.age}


def write_account(folder: str | Path, found: dict[str, Any]) -> None:
    """Write search.json and report.html; what is there is replaced."""
    write_json(Path(folder) / ACCOUNT, found)
    write_text(Path(folder) / PAGE, page(found))


def write_page(folder: str | Path) -> Path:
    """Write a search's report.html again: from search.json, or from a study that was cut off."""
    folder = Path(folder)
    found, study = kept_account(folder), folder / JOURNAL
    if not found or ("full_run" not in found and _is_newer(study, folder / ACCOUNT)):
        found = {"data": folder.resolve().name, "folder": str(folder), **found}
        found |= _from_study(study, int(found.get("pictures", 0)))
        write_json(folder / ACCOUNT, found)
    write_text(folder / PAGE, page(found))
    return folder / PAGE


def kept_account(folder: Path) -> dict[str, Any]:
    """The account in a search's folder; empty where there is none. Ended: it has `full_run`."""
    path = folder / ACCOUNT
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is damaged: {error}.") from None


def _is_newer(study: Path, account: Path) -> bool:
    return study.is_file() and study.stat().st_mtime > account.stat().st_mtime


def _from_study(path: Path, pictures: int) -> dict[str, Any]:
    study = SharedStudy(str(path), STUDY_NAME)
    begun = read_study(study)
    if begun is None:
        raise InputError(f"{path} holds no search of Steadygrad.")
    return account_of(study, *begun, pictures)
