"""The page as a document: well-formed, self-contained, safe, and with the right numbers on it."""

import base64
import io
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_checks import Document, check_closed, check_strict_json, check_well_formed
from PIL import Image
from report_sample import (
    HOSTILE,
    VARIANTS,
    digits,
    evaluate,
    faulty,
    hostile,
    layer,
    pairs_of_digits,
)

from steadygrad.record import Epoch, Event, Facts, Record, Step
from steadygrad.report.data import Picture, ReportData
from steadygrad.report.html import SECTIONS, render, write_report
from steadygrad.report.markup import data_script, tag, visible
from steadygrad.report.picture import thumbnail
from steadygrad.report.png import png

MEASURED_BY_THE_MONITOR = {"signals", "updates", "layers", "loop", "graph"}


@pytest.fixture(scope="module", params=sorted(VARIANTS))
def page(request):
    return render(VARIANTS[request.param]())


def test_every_page_is_well_formed_and_accessible(page):
    check_well_formed(page)


def test_every_page_loads_nothing_and_runs_only_its_own_script(page):
    check_closed(page)


def test_every_page_has_json_that_parses(page):
    check_strict_json(page)


def test_hostile_names_are_text_and_nothing_else():
    harmless, document = Document(render(digits())), Document(render(hostile()))
    # Same elements as an honest run could have: no name has made one.
    allowed = {name for name, _ in harmless.elements} | {"span", "article"}
    assert {name for name, _ in document.elements} <= allowed
    assert "alert(1)" in document.text
    assert not [a for a in document.all("img") if a["src"] == "x"]
    raw = render(hostile())
    assert "<img src=x" not in raw
    assert "\u202e" not in raw
    assert "\x1b" not in raw
    assert "\u2028" not in "".join(text for _, text in document.scripts)
    assert visible(HOSTILE) in document.text


@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_any_text_comes_back_from_a_page_as_it_would_be_seen(text):
    expected = visible(text).replace("\r", "\n")
    document = Document(tag("p", text, title=text))
    assert "".join(document.texts) == expected
    assert document.elements[0][1]["title"] == expected
    data_script([text]).encode("utf-8")
    [(_, content)] = Document(data_script([text])).scripts
    assert json.loads(content) == [visible(text)]


def test_the_numbers_of_the_run_are_on_the_page():
    data = digits()
    document = Document(render(data))
    text = document.text
    low, high = data.test["accuracy_interval"]
    accuracy = 100 * data.test["accuracy"]
    verdict = f"{accuracy:.1f} % of 360 test pictures right (95 % interval "
    assert verdict + f"{100 * low:.1f}–{100 * high:.1f})" in text
    assert f"{100 * data.val['accuracy']:.1f} %" in text
    for word in ("650", "5,333", "3.1e-07", "12", data.command, data.fingerprint, "No findings."):
        assert word in text
    for pair in data.worst_cells:
        assert f"{100 * pair.pictures[0].probability:.1f} %" in text
    assert "steadygrad predict runs/digits/model.onnx" in text
    for anchor, title, _ in SECTIONS:
        assert (title in document.texts) == (anchor not in MEASURED_BY_THE_MONITOR)


def test_the_confusion_table_holds_the_confusion():
    data = digits()
    page = render(data)
    table = re.search(r'<table class="matrix">(.*?)</table>', page, re.DOTALL).group(1)
    rows = re.findall(r"<tr>(.*?)</tr>", table.split("</thead>")[1], re.DOTALL)
    read = [
        [int(value) if value.isdigit() else 0 for value in re.findall(r"<td[^>]*>(.*?)</td>", row)]
        for row in rows
    ]
    assert read == data.test["confusion"]


def test_the_large_confusion_picture_holds_the_confusion():
    data = pairs_of_digits()
    page = render(data)
    source = re.search(r'src="data:image/png;base64,([^"]*)"[^>]*class="pixels compact"', page)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(source.group(1)))))
    assert np.array_equal(pixels[:, :, 3] > 0, np.array(data.test["confusion"]) > 0)
    diagonal, off = np.eye(100, dtype=bool), ~np.eye(100, dtype=bool)
    assert (pixels[diagonal & (pixels[:, :, 3] > 0)][:, 2] > 100).all()
    assert (pixels[off][:, 2] == 0).all()


def test_findings_stand_worst_first_with_everything_they_say():
    text = Document(render(faulty())).text
    places = [text.index(f.rule) for f in faulty().record.findings]
    assert places == sorted(places)
    for finding in faulty().record.findings:
        for part in (finding.saw, finding.expected, finding.fix, finding.source):
            assert part in text
    assert "data/splits.csv:212" in text
    for part in ("truncated: 512 of 2,048 bytes", "2 groups of the same picture", "7 CMYK"):
        assert part in text
    assert "not a finite number from step 301 on" in text


def test_a_spike_leaves_the_rest_of_the_curve_visible():
    page = render(faulty())
    loss = next(
        value
        for attributes, text in Document(page).scripts
        if attributes.get("type") == "application/json"
        for value in [json.loads(text)]
        if value.get("series", [{}])[-1].get("label") == "validation" and not value["percent"]
    )
    assert loss["y"][1] < 10
    assert "The axis leaves out values up to" in page
    mean = loss["series"][0]["ys"]
    assert all(0.1 < value < 1 for value in mean[200:290])


@pytest.mark.parametrize("losses", [[], [math.nan], [2.3], [math.inf, math.nan], [0.0, 0.0, 0.0]])
@pytest.mark.parametrize("epochs", [0, 1])
def test_odd_runs_render(losses, epochs):
    record = Record(Facts(classes=["a"], class_counts={"train": [0]}))
    for step, loss in enumerate(losses, 1):
        record.add(Step(step, 0, loss, 0.0, 4, 0.0, 0.0, math.nan))
    for epoch in range(epochs):
        record.add(Epoch(epoch, len(losses), math.nan, None, math.nan))
    record.add(Event(10_000, "late", "after the last step"))
    scored = {"accuracy": math.nan, "confusion": [[0]], "recall": [None], "calibration": []}
    Document(render(ReportData(record, "odd", test=scored)))
    Document(render(ReportData(record, "odd", val={"accuracy": 1.0, "num_images": 1})))


def test_evaluations_with_missing_parts_render():
    base = digits()
    for key in base.test:
        rest = {name: value for name, value in base.test.items() if name != key}
        Document(render(replace(base, test=rest, val=None)))
        Document(render(replace(base, test={**rest, key: None})))


def test_a_page_with_everything_too_large_stays_small(tmp_path):
    generator = np.random.default_rng(0)
    names = [f"class {i} " + "long" * 30 for i in range(1000)]
    labels = generator.integers(0, 1000, 8000)
    told = generator.random((8000, 1000), dtype=np.float32)
    told[np.arange(8000), labels] += 0.2
    test = evaluate(told / told.sum(1, keepdims=True), labels)
    steps = [Step(i, 0, 3 + math.sin(i), 0.1, 64, 0.01, 0.1) for i in range(1, 100_001)]
    noise = generator.integers(0, 256, (128, 128, 3), dtype=np.uint8)
    picture = Picture("x" * 500, thumbnail(noise), names[0], names[1], 0.9)
    counts = np.bincount(labels, minlength=1000).tolist()
    facts = Facts(names, {"train": counts, "test": counts}, audit=base_audit())
    facts.layers = [layer(f"n.{i}", "Conv2d", [1, 2, 3], i, i) for i in range(300)]
    record = Record(facts, steps)
    record.events = [Event(i, "e", "t" * 100) for i in range(200)]
    data = ReportData(record, "large", test=test, mistakes=[picture] * 500, samples=[picture] * 200)
    write_report(tmp_path / "report.html", data)
    assert (tmp_path / "report.html").stat().st_size < 3_000_000


def base_audit():
    return {
        "num_files": 100_000,
        "num_broken": 5000,
        "broken": [{"name": f"{i:0100d}.jpg", "reason": "truncated"} for i in range(5000)],
        "exact_duplicates": [[f"{i:050d}.jpg"] * 9 for i in range(5000)],
    }


def test_a_report_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    write_report(path, digits())
    before = path.read_text(encoding="utf-8")
    assert before == render(digits())

    def refuse(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(OSError, match="disk full"):
        write_report(path, faulty())
    assert path.read_text(encoding="utf-8") == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (20, 30, 3), (300, 200, 3), (1, 1, 3)])
def test_a_thumbnail_is_the_picture(shape):
    pixels = np.full(shape, 200, np.uint8)
    image = Image.open(io.BytesIO(thumbnail(pixels, 100)))
    assert max(image.size) == min(100, max(shape[:2]))
    assert abs(np.asarray(image).astype(int) - 200).max() <= 2
    if max(shape) <= 48:
        assert np.array_equal(
            np.asarray(image), pixels.squeeze(2) if shape[-1] == 1 and len(shape) == 3 else pixels
        )


def test_png_is_read_back_by_pillow():
    rows = np.random.default_rng(0).integers(0, 256, (5, 7, 4), dtype=np.uint8)
    told = png([[tuple(int(v) for v in pixel) for pixel in row] for row in rows])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(told))), rows)
