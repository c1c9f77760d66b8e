"""What the monitor measured, on the page: the right numbers, readable when large, safe."""

import json
import linecache
import math
import re
import subprocess
import sys

import pytest
from report_sample import HOSTILE
from test_report_page import MEASURED_BY_THE_MONITOR, Document
from watched_sample import WATCHED, deep, hostile, real

from steadygrad.record import (
    Epoch,
    Finding,
    Graph,
    LayerSignals,
    Loop,
    Operation,
    Parameter,
    ParameterSignals,
    Record,
    Step,
    Where,
)
from steadygrad.report import inside
from steadygrad.report.data import ReportData
from steadygrad.report.figures import Chart, Series
from steadygrad.report.figures import draw as draw_chart
from steadygrad.report.heat import log_part
from steadygrad.report.html import render
from steadygrad.report.markup import visible
from steadygrad.report.quotes import LONGEST, quotes
from steadygrad.report.saved import load_report_data, save_report_data
from steadygrad.report.words import percent


def numbers_of(page):
    """The JSON blocks beside the pictures, by the words of the caption before them."""
    found = {}
    pattern = r'<figcaption><h3>(.*?)</h3>.*?<script type="application/json"[^>]*>(.*?)</script>'
    for title, text in re.findall(pattern, page, re.DOTALL):
        found[title] = json.loads(text)
    return found


def signal(step, layer, kind="train", histogram=(), **values):
    base = {"mean": 0.0, "std": 1.0, "min": -1.0, "max": 1.0}
    return LayerSignals(step, layer, base | values, list(histogram), kind)


def record_of(*lines, operations=()):
    record = Record()
    if operations:
        record.add(Graph(0, "train", [Operation(name, name) for name in operations]))
    for line in lines:
        record.add(line)
    return record


@pytest.mark.parametrize("name", sorted(WATCHED))
def test_pages_are_well_formed_and_safe(name):
    page = render(WATCHED[name]())
    document = Document(page)
    ids = [a["id"] for _, a in document.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert set(ids) >= MEASURED_BY_THE_MONITOR
    assert all(head.get("scope") in ("row", "col") for head in document.all("th"))
    assert all(svg.get("role") == "img" or svg.get("aria-hidden") for svg in document.all("svg"))
    for _, attributes in document.elements:
        assert not [key for key in attributes if key.startswith("on") or key == "style"]
    for attributes, text in document.scripts:
        if attributes.get("type") == "application/json":
            json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
            assert "<" not in text


def test_hostile_names_and_lines_are_text():
    page = render(hostile())
    allowed = {name for name, _ in Document(render(real())).elements} | {"pre", "article"}
    assert {name for name, _ in Document(page).elements} <= allowed | {"strong", "polygon"}
    assert "<img src=x" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    # The finding's lines stand there as text, the long one cut.
    assert visible(HOSTILE) in Document(page).text
    assert "x" * LONGEST not in page
    assert "x" * (LONGEST - 1) + "…" in page


def test_the_pictures_of_a_real_run_hold_its_numbers():
    data = real()
    drawn = numbers_of(render(data))
    record = data.record
    found = {layer.name: layer for layer in inside.layers(record)}
    assert list(found) == ["0", "1", "2", "3", "4", "5", "6"]
    dead = drawn["Dead units"]
    assert dead["names"] == ["1", "5"]
    latest = found["5"].last("dead_fraction")
    assert latest >= 0.5
    assert dead["rows"][1][-1] == percent(latest)
    # Where nothing is wrong a sentence stands in the picture's place.
    assert "Saturated units" not in drawn
    assert "Saturated units: none in any of 1 layer." in Document(render(data)).text
    ratios = drawn["Update ratio of every weight"]
    # 2.weight is frozen.
    assert [s["label"] for s in ratios["series"]] == ["0.weight", "4.weight", "6.weight"]
    depth = drawn["Size of the signal through depth"]
    assert depth["x_names"] == ["0", "2", "4", "6"]
    first = [s.values["std"] for s in record.signals if s.step == 0 and s.layer in depth["x_names"]]
    assert depth["series"][0]["ys"] == pytest.approx(first[:4], rel=1e-5)


def test_the_loop_is_told_with_what_does_not_learn():
    text = Document(render(real())).text
    for word in ("SGD", "StepLR", "frozen (requires_grad is False)", "12 backwards"):
        assert word in text
    assert "Parameters that do not learn: " in text


@pytest.mark.parametrize(
    ("parameter", "why"),
    [
        (Parameter("w", trainable=False), "frozen"),
        (Parameter("w", optimizer=None, watched=5), "in no optimizer"),
        (Parameter("w", optimizer=0, watched=5, missing=5, used_by="a"), "never had a gradient"),
        (Parameter("w", optimizer=0, watched=5, used_by="a"), "was always zero"),
        (Parameter("w", optimizer=0, watched=5), "used by no operation"),
        (Parameter("w", optimizer=0, watched=5, received=1, used_by="a"), ""),
        (Parameter("w", optimizer=0, watched=0), ""),
    ],
)
def test_why_a_parameter_does_not_learn(parameter, why):
    text = Document(render(ReportData(Record(loop=Loop(parameters=[parameter])), "run"))).text
    assert ("do not learn" in text) == bool(why)
    assert why in text


def test_a_page_of_a_large_network_stays_small_and_shows_the_worst_layers():
    page = render(deep())
    assert len(page.encode()) < 1_500_000
    drawn = numbers_of(page)
    for title in ("Size of the signal over time", "Dead units", "Zeros"):
        assert len(drawn[title]["names"]) <= 60
        assert len(drawn[title]["steps"]) <= 40
    # Ordered by depth; the layer with the most dead units is the last ReLU.
    assert drawn["Dead units"]["names"][-1] == "layer7.1.relu"
    assert len(drawn["Update ratio of every weight"]["series"]) <= 40
    assert "layers more not drawn" in page
    assert page.count("<tr>") > 174  # the table has every layer


def test_shares_that_are_cut_keep_the_highest():
    names = [f"relu#{n}" for n in range(50)]
    lines = [signal(0, name, dead_fraction=float(name == "relu#17")) for name in names]
    found = inside.layers(record_of(*lines, operations=names))
    grid = inside.grid(found, "dead_fraction", 5, 10)
    assert "relu#17" in grid.names
    assert grid.left_out == 45


def test_a_run_that_breaks_shows_where_and_nothing_after_it():
    page = render(deep(blocks=4, steps=tuple(range(8)), broken_from=3))
    drawn = numbers_of(page)
    row = drawn["Size of the signal over time"]["rows"][0]
    assert row[2] != "nan"
    assert row[3:] == ["nan"] * 5
    assert page.count('class="bad"') >= 5 * 12
    # Zeros and dead units of NaN are no zeros.
    assert drawn["Zeros"]["rows"][0][3:] == ["nan"] * 5
    assert [s["label"] for s in drawn["Size of the signal through depth"]["series"]] == [
        "step 0",
        "step 1",
        "step 2",
    ]
    assert "The median of all is nan" not in page


def test_layers_stand_in_the_order_of_computation_and_without_the_loss():
    record = record_of(signal(0, "b"), signal(0, "a"), operations=["a", "b"])
    record.add(LayerSignals(0, "loss", {"value": 2.3, "min": 2.3}))
    record.add(Graph(9, "train", [Operation("a", "a"), Operation("new", "new")]))
    record.add(signal(9, "new"))
    record.add(signal(9, "unknown"))
    assert [layer.name for layer in inside.layers(record)] == ["a", "new", "b", "unknown"]


def test_training_is_shown_where_there_is_any_and_evaluation_where_not():
    evaluation = signal(0, "a", "evaluation", mean=5.0)
    record = record_of(evaluation, signal(0, "a", mean=1.0), operations=["a"])
    assert inside.layers(record)[0].last("mean") == 1.0
    assert inside.layers(record_of(evaluation))[0].last("mean") == 5.0


def test_update_ratios_are_those_of_weights_and_the_extremes_survive():
    record = Record(loop=Loop(parameters=[Parameter(f"w{n}", [2, 2]) for n in range(90)]))
    record.loop.parameters.append(Parameter("bias", [2]))
    for n in range(90):
        record.add(ParameterSignals(0, f"w{n}", {"update_ratio": {30: 5.0, 40: 1e-9}.get(n, 1e-3)}))
    record.add(ParameterSignals(0, "bias", {"update_ratio": 9.0}))
    names = [name for name, _, _ in inside.update_ratios(record, 20)]
    assert len(names) == 20
    assert {"w30", "w40"} <= set(names)
    assert "bias" not in names
    record.parameter_signals = record.parameter_signals[-1:]
    assert [name for name, _, _ in inside.update_ratios(record, 20)] == ["bias"]


def test_weights_that_never_change_are_said_so():
    record = record_of(ParameterSignals(0, "w", {"update_ratio": 0.0}))
    record.add(ParameterSignals(1, "w", {"update_ratio": 0.0}))
    text = Document(render(ReportData(record, "run"))).text
    assert "None of the 1 weight changed at any watched step." in text


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf, -1.0, 1e30, 1e-30])
def test_odd_numbers_render(value):
    keys = ("mean", "std", "min", "max", "grad_rms", "zero_fraction", "dead_fraction")
    lines = [
        LayerSignals(step, name, dict.fromkeys(keys, value), [1.0] + [0.0] * 23)
        for step in (0, 1)
        for name in ("a", "b", "c")
    ]
    record = record_of(*lines, ParameterSignals(0, "w", {"update_ratio": value}))
    Document(render(ReportData(record, "odd")))


def test_colours_of_sizes_go_by_their_logarithm():
    grid = inside.Grid(["a"], [0, 1, 2], [[0.001, 0.1, 10.0]])
    part, low, high = log_part(grid)
    assert (low, high) == pytest.approx((0.001, 10.0))
    assert part(0.1) == pytest.approx(0.5)
    assert part(0.0) == 0.0
    # One size everywhere is the middle of a decade, not a division by zero.
    part, low, high = log_part(inside.Grid(["a"], [0], [[2.0]]))
    assert (part(2.0), high / low) == pytest.approx((0.5, 10.0))


def test_a_logarithmic_chart_leaves_gaps_for_zeros_and_gives_step_0_a_place():
    chart = Chart("c", "t", [Series("s", [0, 1, 2], [1e-3, 0.0, 1e-1])], "step", log=True)
    page = draw_chart(chart)
    assert page.count("M") >= 2
    drawn = draw_chart(Chart("c", "t", [Series("s", [0, 99], [1, 2])], "step", log_x=True))
    assert '"x_offset":1' in drawn
    assert ">0<" in drawn
    assert ">10<" in drawn


def test_the_users_lines_are_quoted_at_their_numbers(tmp_path):
    script = tmp_path / "train.py"
    script.write_text("".join(f"line {n}  # {'x' * 300}\n" for n in range(1, 6)))
    where = [Where(str(script), line) for line in (1, 4, 99)] + [Where(), Where("gone.py", 3)]
    findings = [Finding("no-step", "error", 1, "saw", "exp", "fix", where=one) for one in where]
    sources = quotes(findings, linecache.getline)
    assert list(sources) == [f"{script}:1", f"{script}:4"]
    assert [line[:6] for line in sources[f"{script}:4"]] == ["line 2", "line 3", "line 4", "line 5"]
    assert max(map(len, sources[f"{script}:4"])) == LONGEST
    page = render(ReportData(Record(findings=findings), "run", sources=sources))
    meant = re.findall(r'<span class="meant"><i class="number">(.*?)</i>(line \d)', page)
    assert meant == [("▸    1  ", "line 1"), ("▸    4  ", "line 4")]


def test_quoted_lines_come_back_from_the_run_folder(tmp_path):
    data = ReportData(Record(), "run", sources={"a.py:3": ["x", "y"]})
    save_report_data(tmp_path / "report.json", data)
    (tmp_path / "record.jsonl").touch()
    assert load_report_data(tmp_path).sources == data.sources


def test_the_head_of_a_watched_run():
    text = Document(render(real())).text
    assert "Report of a watched run" in text
    assert "Not scored" not in text
    assert "1.0 % of the whole" in text
    assert "Sequential · SGD" in text
    quiet = Record(steps=[Step(1, 0, 1.0, 0.1, 1)], loop=Loop(backwards=1))
    assert "Nothing wrong was seen." in Document(render(ReportData(quiet, "run"))).text


def test_a_summed_validation_loss_gets_its_own_axis():
    record = Record(steps=[Step(n, 0, 2.0, 0.1, 1) for n in (1, 2)])
    record.epochs = [Epoch(0, 2, 2.0, 434.0)]
    drawn = numbers_of(render(ReportData(record, "run")))
    assert drawn["Validation loss"]["series"][0]["ys"] == [434.0]
    assert drawn["Loss"]["y"][1] < 10
    record.epochs = [Epoch(0, 2, 2.0, 4.0)]
    assert "Validation loss" not in numbers_of(render(ReportData(record, "run")))


def test_a_constant_output_is_one_bar_and_says_so():
    record = record_of(signal(0, "relu", histogram=[1.0] + [0.0] * 23, min=0.0, max=0.0, std=0.0))
    page = render(ReportData(record, "run"))
    assert "always 0" in Document(page).text
    assert re.search(r'<rect x="58.75" y="2" width="2.5"', page)


def test_zeros_do_not_flatten_the_rest_of_a_histogram():
    shares = [0.77] + [0.01] * 23
    page = render(ReportData(record_of(signal(0, "relu", histogram=shares)), "run"))
    path = re.search(r'<path d="(M0.0 34[^"]*)"', page).group(1)
    heights = [34 - float(y) for y in re.findall(r"V([\d.]+)h", path)]
    assert heights[0] == 32
    # Cut at 1.8 times the second highest, and marked as cut.
    assert heights[1] == pytest.approx(32 / 1.8, abs=0.06)
    assert page.count('class="cut"') == 1


def test_watch_quotes_the_script_it_ran(tmp_path):
    lines = [
        "import torch",
        "torch.manual_seed(0)",
        "model = torch.nn.Linear(4, 2)",
        "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)",
        "for step in range(20):",
        "    optimizer.zero_grad()",
        "    loss = model(torch.randn(8, 4)).pow(2).mean()",
        "    loss.backward()",
    ]
    (tmp_path / "train.py").write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "steadygrad", "watch", "--report", "r.html", "train.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert "no-step" in done.stderr
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    meant = re.findall(r'<span class="meant"><i class="number">▸ +(\d+)  </i>(.*?)\n', page)
    assert meant
    assert all(text == lines[int(number) - 1] for number, text in meant)
