"""The page in a real browser: no error in its console, tooltips and sorting that work."""

import re
import shutil
import subprocess

import pytest
from report_sample import VARIANTS
from watched_sample import WATCHED

from steadygrad.report.html import render

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--enable-logging=stderr",
    "--v=0",
    "--virtual-time-budget=3000",
    "--dump-dom",
)


def browse(path, tmp_path, *more):
    """The document after its script ran, and what the console said."""
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [BROWSER, *FLAGS, *more, profile, path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


PAGES = {name: VARIANTS[name] for name in ("digits", "pairs", "hostile", "faulty", "empty")}


@pytest.mark.parametrize("variant", [*PAGES, *WATCHED])
def test_no_console_error(variant, tmp_path):
    path = tmp_path / "report.html"
    page = render((PAGES | WATCHED)[variant]())
    path.write_text(page, encoding="utf-8")
    document, console = browse(path, tmp_path)
    assert console == []
    # Made by the page's script: it was allowed to run, and ran.
    assert 'id="tip"' in document
    assert document.count("<h2") == page.count("<h2")


def test_the_policy_stops_what_is_not_the_pages_own(tmp_path):
    path = tmp_path / "report.html"
    smuggled = "<script>document.title = 'taken'</script></main>"
    path.write_text(render(VARIANTS["empty"]()).replace("</main>", smuggled), encoding="utf-8")
    document, console = browse(path, tmp_path)
    assert "<title>nothing" in document
    assert any("Content Security Policy" in line for line in console)


PROBE = """
const result = {};
const text = () => document.querySelector("#tip").textContent;
const rows = () => [...document.querySelectorAll("table.sortable tbody tr")];
const button = document.querySelectorAll("table.sortable thead button");
const recall = button.length - 2;
button[recall].click();
result.down = rows().map((row) => Number(row.cells[recall].dataset.value));
button[recall].click();
result.up = rows().map((row) => Number(row.cells[recall].dataset.value));
result.sort = button[recall].closest("th").getAttribute("aria-sort");
const svg = document.querySelector("figure.chart svg");
const box = svg.getBoundingClientRect();
const at = (x) => ({ clientX: box.left + x * box.width, clientY: box.top + 50, bubbles: true });
svg.dispatchEvent(new PointerEvent("pointermove", at(0.5)));
result.middle = text();
svg.dispatchEvent(new KeyboardEvent("keydown", { key: "End", bubbles: true }));
result.end = text();
result.cursors = svg.querySelectorAll(".cursor").length;
svg.dispatchEvent(new PointerEvent("pointerleave", {}));
result.hidden = document.querySelector("#tip").hidden;
const cell = document.querySelector("td.wrong");
cell.dispatchEvent(new PointerEvent("pointerover", { bubbles: true, clientX: 5, clientY: 5 }));
result.cell = text();
result.tipped = cell.dataset.tip;
window.dispatchEvent(new Event("beforeprint"));
result.closed = document.querySelectorAll("details:not([open])").length;
result.wide = document.documentElement.scrollWidth <= window.innerWidth;
document.title = "RESULT" + JSON.stringify(result) + "END";
"""


def test_tooltips_keys_sorting_and_printing(tmp_path):
    import html
    import json

    page = render(VARIANTS["digits"]())
    # The probe is no part of the page, so its policy has to go for this test.
    page = re.sub(r"<meta http-equiv=[^>]*>", "", page)
    path = tmp_path / "report.html"
    path.write_text(page.replace("</body>", f"<script>{PROBE}</script></body>"), encoding="utf-8")
    document, console = browse(path, tmp_path)
    assert console == []
    result = json.loads(html.unescape(re.search("RESULT(.*?)END", document).group(1)))
    recall = VARIANTS["digits"]().test["recall"]
    assert result["up"] == pytest.approx(sorted(recall), abs=1e-5)
    assert result["down"] == result["up"][::-1]
    assert result["sort"] == "ascending"
    assert "validation: " in result["middle"]
    assert result["end"].startswith("step 492")
    assert result["cursors"] == 1
    assert result["hidden"]
    assert result["cell"] == result["tipped"]
    assert result["closed"] == 0
    assert result["wide"]


WATCHED_PROBE = """
const result = {};
const text = () => document.querySelector("#tip").textContent;
const figures = [...document.querySelectorAll("figure")];
const chart = (title) => figures.find((one) => one.querySelector("h3").textContent === title);
const cell = chart("Dead units").querySelectorAll("tbody td")[0];
cell.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, clientX: 5, clientY: 5 }));
result.heat = text();
const depth = chart("Size of the signal through depth").querySelector("svg");
depth.dispatchEvent(new KeyboardEvent("keydown", { key: "Home", bubbles: true }));
result.depth = text();
const updates = chart("Update ratio of every weight").querySelector("svg");
const box = updates.getBoundingClientRect();
const at = { clientX: box.right - 12 * box.width / 520, clientY: box.top + 12 * box.width / 520 };
updates.dispatchEvent(new PointerEvent("pointermove", { ...at, bubbles: true }));
result.update = [...document.querySelectorAll("#tip div")].map((row) => row.textContent);
const table = document.querySelector("table.layers");
const heads = [...table.tHead.rows[0].cells];
const dead = heads.findIndex((head) => head.textContent === "dead");
heads[dead].querySelector("button").click();
result.worst = table.tBodies[0].rows[0].cells[1].textContent;
result.wide = [...document.querySelectorAll("main, main *")].every((one) =>
  one.closest(".scroll, pre, svg") || one.getBoundingClientRect().right <= window.innerWidth + 1);
document.title = "RESULT" + JSON.stringify(result) + "END";
"""


@pytest.mark.parametrize("width", [500, 1200])
def test_heat_maps_depth_many_lines_and_layers_answer(width, tmp_path):
    import html
    import json

    page = re.sub(r"<meta http-equiv=[^>]*>", "", render(WATCHED["deep"]()))
    path = tmp_path / "report.html"
    probe = f"<script>{WATCHED_PROBE}</script></body>"
    path.write_text(page.replace("</body>", probe), encoding="utf-8")
    document, console = browse(path, tmp_path, f"--window-size={width},900")
    assert console == []
    result = json.loads(html.unescape(re.search("RESULT(.*?)END", document).group(1)))
    assert result["heat"] == "layer0.0.relustep 0: 0.4 %"
    assert result["depth"].startswith("layer with weights, first to last 1: layer0.0.conv2d")
    # At the top right of the chart the fastest weights, and no more than can be read.
    assert result["update"][0] == "step 59"
    assert len(result["update"]) == 5
    assert "layer7.1.batch_norm.weight: 0.173" in result["update"]
    assert result["worst"] == "layer7.1.relu"
    assert result["wide"]
