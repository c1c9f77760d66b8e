"""The page of a search in a real browser: marking a trial everywhere, sorting, phone width."""

import html
import json
import re

import pytest
from search_sample import SEARCHES
from test_report_browser import BROWSER, browse

from steadygrad.report.search_page import page

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


@pytest.mark.parametrize("name", ["cut", "empty", "hostile", "many"])
def test_no_console_error(name, tmp_path):
    path = tmp_path / "report.html"
    text = page(SEARCHES[name]())
    path.write_text(text, encoding="utf-8")
    document, console = browse(path, tmp_path)
    assert console == []
    assert 'id="tip"' in document
    assert document.count("<h2") == text.count("<h2")


PROBE = """
const result = {};
const won = document.querySelector("#curves .trial.won");
const number = won.dataset.trial;
const count = (name) => document.querySelectorAll(`.${name}[data-trial="${number}"]`).length;
won.querySelector(".catch").dispatchEvent(
  new PointerEvent("pointerover", { bubbles: true, clientX: 9, clientY: 9 }));
result.tip = document.querySelector("#tip").textContent;
result.lit = count("lit");
result.others = document.querySelectorAll(`.lit:not([data-trial="${number}"])`).length;
document.querySelector("h1").dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
result.unlit = document.querySelectorAll(".lit").length;
const button = document.querySelector(`.mark[data-trial="${number}"]`);
button.click();
result.kept = count("kept");
result.pressed = button.getAttribute("aria-pressed");
button.click();
result.released = count("kept");
const table = document.querySelector("table.sortable");
const heads = [...table.tHead.rows[0].cells];
const column = heads.findIndex((head) => head.textContent === "error");
const sortKey = (row) => Number(row.cells[column].dataset.value);
heads[column].querySelector("button").click();
heads[column].querySelector("button").click();
result.errors = [...table.tBodies[0].rows].map(sortKey);
result.all = document.querySelectorAll(`[data-trial="${number}"]`).length;
result.wide = [...document.querySelectorAll("main, main *")].filter((one) =>
  !one.closest(".scroll, pre, svg") && one.getBoundingClientRect().right > window.innerWidth + 1
).map((one) => one.outerHTML.slice(0, 80));
document.title = "RESULT" + JSON.stringify(result) + "END";
"""


@pytest.mark.parametrize("width", [500, 1200])
def test_pointing_at_a_trial_marks_it_everywhere_and_the_table_sorts(width, tmp_path):
    found = SEARCHES["widened"]()
    # The probe is no part of the page, so its policy has to go for this test.
    text = re.sub(r"<meta http-equiv=[^>]*>", "", page(found))
    path = tmp_path / "report.html"
    path.write_text(text.replace("</body>", f"<script>{PROBE}</script></body>"), encoding="utf-8")
    document, console = browse(path, tmp_path, f"--window-size={width},900")
    assert console == []
    result = json.loads(html.unescape(re.search("RESULT(.*?)END", document).group(1)))
    assert result["tip"].startswith(f"Trial {found['winner']} (")
    assert "The winner" in result["tip"]
    # Curve, its dots over time, line across the axes, a dot in each slice, and the table's button.
    assert result["lit"] == result["all"] == result["kept"] == 1 + 4 + 1 + 3 + 1
    assert (result["others"], result["unlit"], result["released"]) == (0, 0, 0)
    assert result["pressed"] == "true"
    assert result["errors"] == sorted(result["errors"])
    assert result["errors"][-1] == 1e300  # those without a score stand last
    assert result["wide"] == []
