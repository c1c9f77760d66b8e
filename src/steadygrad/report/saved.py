"""ReportData as JSON, so that a report can be drawn again without the data or the network."""

from __future__ import annotations

import base64
import dataclasses
import json
from pathlib import Path
from typing import Any

from steadygrad.errors import InputError
from steadygrad.record import Record, write_json
from steadygrad.report.data import ConfusedPair, Picture, ReportData


def save_report_data(path: str | Path, data: ReportData) -> None:
    """Write everything but the record, which has its own file, as JSON; pictures as base64."""
    values = {
        field.name: getattr(data, field.name)
        for field in dataclasses.fields(data)
        if field.name != "record"
    }
    values["mistakes"] = [_plain(picture) for picture in data.mistakes]
    values["samples"] = [_plain(picture) for picture in data.samples]
    values["worst_cells"] = [
        {**vars(cell), "pictures": [_plain(picture) for picture in cell.pictures]}
        for cell in data.worst_cells
    ]
    write_json(path, values)


def load_report_data(folder: str | Path) -> ReportData:
    """Read what `save_report_data` wrote as report.json, and the record beside it."""
    folder = Path(folder)
    path = folder / "report.json"
    if not path.is_file():
        raise InputError(f"{folder} holds no report.json; expected a finished run's folder.")
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is damaged: {error}.") from None
    values["mistakes"] = [_picture(picture) for picture in values["mistakes"]]
    values["samples"] = [_picture(picture) for picture in values["samples"]]
    values["worst_cells"] = [
        ConfusedPair(
            cell["true"],
            cell["predicted"],
            int(cell["count"]),
            [_picture(item) for item in cell["pictures"]],
        )
        for cell in values["worst_cells"]
    ]
    return ReportData(record=Record.load(folder / "record.jsonl"), **values)


def _plain(picture: Picture) -> dict[str, Any]:
    return {**vars(picture), "image": base64.b64encode(picture.image).decode("ascii")}


def _picture(values: dict[str, Any]) -> Picture:
    image = base64.b64decode(values.pop("image"))
    return Picture(image=image, **values)
