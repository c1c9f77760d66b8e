"""The interactive graph in a real browser: its script places boxes where Python does."""

import html
import json
import random
import re

import pytest
from test_report_browser import BROWSER, browse

from steadygrad.report.graph_box import Box
from steadygrad.report.graph_layout import IN, OUT
from steadygrad.report.graph_page import page
from steadygrad.report.graph_picture import default_depth, drawing
from steadygrad.report.graph_shapes import Curve, Rectangle

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")

PROBE = """
const result = {};
const shapes = (kind) => [...document.querySelectorAll(`.graph-view svg ${kind}`)];
const number = (one, name) => Number(one.getAttribute(name));
const boxes = () => shapes(".box > rect:first-of-type").map((one) =>
  ["x", "y", "width", "height"].map((name) => number(one, name)));
const edges = () => shapes("path.edge").map((one) => {
  const numbers = one.getAttribute("d").match(/-?[0-9.]+(e-?[0-9]+)?/g).map(Number);
  return [...numbers.slice(0, 2), ...numbers.slice(-2)];
});
const state = () => ({ boxes: boxes(), edges: edges() });
const press = (label) => document.querySelector(`.graph-tools [aria-label="${label}"]`).click();
result.first = state();
press("Open all boxes");
result.open = state();
press("Close all boxes");
result.closed = state();
const key = (name) => document.activeElement.dispatchEvent(
  new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
const handle = document.querySelector(".handle[role=button]");
if (handle) {
  handle.focus();
  result.told = document.querySelector(".graph-tip").textContent;
  const before = handle.getBoundingClientRect();
  key("Enter");
  const after = document.activeElement;
  result.kept = after.dataset.key === handle.dataset.key;
  result.expanded = after.getAttribute("aria-expanded");
  result.label = after.getAttribute("aria-label");
  const now = after.getBoundingClientRect();
  result.moved = Math.abs(now.top - before.top);
  key(" ");
  result.collapsed = document.activeElement.getAttribute("aria-expanded");
}
press("Open one level more");
result.more = state().boxes.length;
press("Fit into the view");
const view = document.querySelector(".graph-view"), svg = view.querySelector("svg");
result.fits = number(svg, "height") <= view.clientHeight + 1 || number(svg, "width") < 400;
press("Open all boxes");
const all = document.querySelector(".graph-view svg").viewBox.baseVal.height;
window.dispatchEvent(new Event("beforeprint"));
const printed = [...document.querySelectorAll(".graph-view > svg")].map((s) => s.viewBox.baseVal);
result.pieces = printed.map((piece) => [piece.y, piece.height]);
result.all = all;
window.dispatchEvent(new Event("afterprint"));
result.after = document.querySelectorAll(".graph-view > svg").length;
result.wide = document.documentElement.scrollWidth <= window.innerWidth;
document.title = "RESULT" + JSON.stringify(result) + "END";
"""


def nested(seed, depth=3):
    """A made-up network: boxes in boxes, edges that skip."""
    draw = random.Random(seed)
    names = (f"o{number}" for number in range(10_000))

    def box(left):
        key = next(names)
        if not left:
            shape = [draw.randint(1, 64) for _ in range(draw.randint(1, 4))]
            values = {"std": draw.random(), "grad_rms": 10 ** draw.uniform(-9, 2)}
            name = draw.choice(["conv2d", "relu", "a_layer_of_a_long_name", "+"])
            made = Box(key, name, "operation", name, shape=shape, values=values)
            made.signal_level = draw.choice([0, 0, 0, -2, 1])
            made.leaving = (made.signal_level, 0)
            return made
        count = draw.randint(2, 6)
        children = [box(left - 1 if draw.random() < 0.6 else 0) for _ in range(count)]
        edges = {(IN, 0), (count - 1, OUT)} | {(n, n + 1) for n in range(count - 1)}
        for _ in range(draw.randint(0, 4)):
            source, target = sorted(draw.sample(range(count), 2))
            edges.add((source, target))
        made = Box(key, f"module {key}", "module", children=children, edges=sorted(edges))
        made.edge_levels = [draw.choice([0, 0, -2, 2]) for _ in made.edges]
        made.shape, made.values = children[-1].shape, children[-1].values
        return made

    root = box(depth)
    kept = [(edge, n) for edge, n in zip(root.edges, root.edge_levels) if min(edge) >= 0]
    root.edges, root.edge_levels = [edge for edge, _ in kept], [n for _, n in kept]
    return root


def probed(root, tmp_path, *more):
    path = tmp_path / "graph.html"
    # The probe is no part of the page, so its policy has to go for this test.
    text = re.sub(r"<meta http-equiv=[^>]*>", "", page(root, "net", []))
    path.write_text(text.replace("</body>", f"<script>{PROBE}</script></body>"), encoding="utf-8")
    document, console = browse(path, tmp_path, *more)
    assert console == []
    return json.loads(html.unescape(re.search("RESULT(.*?)END", document).group(1)))


def from_corner(boxes):
    """Rectangles as they stand to each other, whatever the margins."""
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    return [[x - left, y - top, *size] for x, y, *size in boxes]


def shifted(ends):
    """Where lines begin and end, beside where the first one begins."""
    return [[x - ends[0][n % 2] for n, x in enumerate(line)] for line in ends]


def drawn(root, depth):
    rectangles = [s for s in drawing(root, depth).shapes if isinstance(s, Rectangle)]
    return [[r.x, r.y, r.width, r.height] for r in rectangles if r.width > 20]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_script_places_boxes_where_python_does(seed, tmp_path):
    root = nested(seed)
    result = probed(root, tmp_path)
    for state, depth in (("first", default_depth(root)), ("open", 99), ("closed", 1)):
        expected = from_corner(drawn(root, depth))
        found = from_corner(result[state]["boxes"])
        assert len(found) == len(expected)
        for one, other in zip(found, expected):
            assert one == pytest.approx(other, abs=0.01)
        curves = [s for s in drawing(root, depth).shapes if isinstance(s, Curve)]
        ends = [[*curve.points[0], *curve.points[-1]] for curve in curves]
        for one, other in zip(shifted(result[state]["edges"]), shifted(ends), strict=True):
            assert one == pytest.approx(other, abs=0.01)


@pytest.mark.parametrize("width", [500, 1200])
def test_boxes_open_and_close_by_keyboard(width, tmp_path):
    root = nested(3)
    result = probed(root, tmp_path, f"--window-size={width},900")
    assert result["told"]
    assert result["kept"]
    assert result["expanded"] == "true"
    assert result["collapsed"] == "false"
    assert result["label"].startswith("module o")
    assert result["moved"] < 2
    assert len(result["closed"]["boxes"]) < result["more"] <= len(result["open"]["boxes"])
    assert result["fits"]
    assert result["wide"]


def test_the_picture_is_printed_whole_in_pieces_cut_between_cards(tmp_path):
    root = nested(5)
    result = probed(root, tmp_path)
    pieces = result["pieces"]
    assert len(pieces) > 1
    at = 0
    for y, height in pieces:
        assert y == pytest.approx(at)
        at += height
    assert at == pytest.approx(result["all"])
    left = min(box[1] for box in result["open"]["boxes"])
    closed = [box for box in drawn(root, 99) if box[3] < 60]
    shift = left - min(box[1] for box in drawn(root, 99))
    for y, _ in pieces[1:]:
        assert not any(top + shift < y < top + shift + height for _, top, _, height in closed)
    assert result["after"] == 1


def test_the_page_as_it_is_says_nothing_to_the_console(tmp_path):
    path = tmp_path / "graph.html"
    path.write_text(page(nested(4), "net", ["a note"]), encoding="utf-8")
    document, console = browse(path, tmp_path)
    assert console == []
    assert 'class="graph card live"' in document
