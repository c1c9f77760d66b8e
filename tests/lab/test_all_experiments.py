"""The whole gallery, as a user makes it."""

from __future__ import annotations

import html
import json

import pytest
from click.testing import CliRunner

from steadygrad.cli.lab import command
from steadygrad.lab import EXPERIMENTS


@pytest.mark.slow
def test_every_verdict_holds_and_the_page_shows_it(tmp_path):
    arguments = ["--all", "--quick", "--out", str(tmp_path / "g"), "--json", str(tmp_path / "j")]
    done = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert done.return_value == 0, done.output[-2000:]
    found = json.loads((tmp_path / "j").read_text(encoding="utf-8"))
    assert json.dumps(found).count('"holds": true') > 5 * len(EXPERIMENTS)
    page = (tmp_path / "g" / "index.html").read_text(encoding="utf-8")
    for experiment in EXPERIMENTS:
        assert html.escape(experiment.title, quote=False) in page
        assert list((tmp_path / "g" / "figures").glob(f"{experiment.name}-*.png"))
