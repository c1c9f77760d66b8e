"""The same in a terminal."""

import re
import subprocess
import sys
from dataclasses import asdict

from report_sample import HOSTILE, digits, faulty, hostile

from steadygrad.record import Record
from steadygrad.report.data import ReportData
from steadygrad.report.html import render
from steadygrad.report.saved import load_report_data, save_report_data
from steadygrad.report.text import audit_text, findings_text, place, summary_text, verdict


def test_a_summary_says_how_well_how_long_and_where():
    data = digits()
    text = summary_text(data.title, data.summary, data.folder)
    assert text.startswith(f"digits: {100 * data.test['accuracy']:.1f} % of 360 test pictures")
    for part in ("validation", "12 epochs", "5,333 images/s", "100 % of 64", "runs/digits/report"):
        assert part in text
    assert summary_text("none", {}) == "none: No test pictures were scored"
    assert "90.0 %" in summary_text("val only", {"val": {"accuracy": 0.9}})
    assert verdict("test", None) == "No test pictures were scored"


def test_findings_are_sorted_complete_and_take_both_forms():
    findings = faulty().record.findings
    text = findings_text(reversed(findings))
    assert text == findings_text([asdict(finding) for finding in findings])
    heads = [line for line in text.splitlines() if not line.startswith(" ") and line]
    assert [head.split(":")[0] for head in heads] == ["ERROR", "warning", "note"]
    flat = re.sub(r"\s+", " ", text)
    for finding in findings:
        assert finding.saw in flat
        assert finding.fix in flat
    assert "where data/splits.csv:212" in flat
    assert max(map(len, text.splitlines())) <= 96
    assert place(None) == ""
    assert summary_text("x", {"findings": [asdict(findings[0])]}).count("ERROR") == 1


def test_an_audit_is_told_in_words():
    audit = faulty().record.facts.audit
    text = audit_text(audit, 2)
    for part in ("1,797 files", "3 files of 1,797", "… and 1 more", "train/7/a.png = test/7/b.png"):
        assert part in text
    for part in ("ERROR", "the val split has no picture of 1 class", "1,700 colour", ".cache"):
        assert part in text
    assert "… and" not in audit_text(audit, 0)
    head = next(line for line in text.splitlines() if line.startswith("class"))
    assert head.split() == ["class", "train", "val", "test"]
    assert audit_text({}).startswith("0 files")


def test_many_classes_keep_the_rarest():
    counts = {f"c{number:04d}": number for number in range(1, 1001)}
    text = audit_text({"num_files": 5, "class_counts": {"train": counts}}, 3)
    assert "c1000" in text
    assert "c0001" in text
    assert "994 more classes" in text
    assert len(text.splitlines()) < 20


def test_nothing_steers_the_terminal():
    data = hostile()
    shown = [
        audit_text(data.record.facts.audit),
        findings_text(data.record.findings),
        summary_text(data.title, data.summary, data.folder),
    ]
    for text in shown:
        text.encode("utf-8")
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    assert HOSTILE not in shown[0]


def test_a_report_is_drawn_again_from_what_was_saved(tmp_path):
    from steadygrad.record import RecordWriter

    data = digits()
    save_report_data(tmp_path / "report.json", data)
    RecordWriter.rewrite(tmp_path / "record.jsonl", data.record)
    assert render(load_report_data(tmp_path)) == render(data)


def test_drawing_needs_no_torch():
    code = (
        "import sys, steadygrad.report.html, steadygrad.report.text, steadygrad.report.picture;"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_empty_report_draws():
    assert "Nothing was trained" in render(ReportData(Record(), "empty"))
