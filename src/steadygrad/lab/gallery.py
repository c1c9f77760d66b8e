"""The gallery: a folder with index.html and the figures, each as PNG and as SVG for a slide."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from steadygrad.errors import InputError
from steadygrad.lab.drawing import DPI
from steadygrad.lab.framework import Finished, Verdict, columns_of, options_of, show
from steadygrad.lab.text import as_typed
from steadygrad.record.store import write_text
from steadygrad.report.markup import Html, join, tag
from steadygrad.report.tables import numeric, numeric_head, table

FIGURES = "figures"
MAX_ROWS = 14
"""Longer tables are folded away."""
MAX_SVG_BYTES = 4 << 20
"""Beyond that a browser is slow with it, and the PNG shows all there is to see."""


class Gallery:
    """Takes experiments as they finish; the page is whole after each."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            (self.folder / FIGURES).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"--out '{folder}' can't be made: {error.strerror}.") from None
        self._sections: list[Html] = []
        self._links: list[Html] = []
        self._num_verdicts = self._num_failed = 0

    @property
    def page(self) -> Path:
        """Where the page lies."""
        return self.folder / "index.html"

    def add(self, finished: Finished) -> None:
        """Save the figures and write the page anew."""
        experiment = finished.experiment
        figures = [self._save(finished, name) for name in finished.result.figures]
        self._sections.append(_section(finished, figures))
        state = "bad" if finished.failed else "good"
        self._links.append(
            tag(
                "li",
                _sign(not finished.failed),
                tag("a", experiment.title, href=f"#{experiment.name}"),
                class_=state,
            )
        )
        self._num_verdicts += len(finished.result.verdicts)
        self._num_failed += len(finished.failed)
        write_text(self.page, self._render())

    def _save(self, finished: Finished, name: str) -> Html:
        figure = finished.result.figures[name]
        stem = f"{FIGURES}/{finished.experiment.name}-{name}"
        png, svg = self.folder / f"{stem}.png", self.folder / f"{stem}.svg"
        figure.savefig(png, dpi=DPI, metadata={"Software": "Steadygrad"})
        figure.savefig(svg, metadata={"Date": None})
        caption = str(figure.get_label() or name)
        links = tag("a", "PNG", href=png.relative_to(self.folder).as_posix())
        if svg.stat().st_size > MAX_SVG_BYTES:
            svg.unlink()
        else:
            other = tag("a", "SVG", href=svg.relative_to(self.folder).as_posix())
            links = join([links, " · ", other])
        return tag(
            "figure",
            tag("img", src=f"{stem}.png", alt=caption),
            tag("figcaption", caption, " ", tag("span", links, class_="soft")),
        )

    def _render(self) -> str:
        num_held = self._num_verdicts - self._num_failed
        lead = (
            "Each experiment states a claim, runs it, and holds what was measured against what "
            f"theory or the paper says. {num_held} of {self._num_verdicts} verdicts hold."
        )
        body = tag(
            "body",
            tag(
                "main",
                tag(
                    "header",
                    tag("p", "Steadygrad", class_="kicker"),
                    tag("h1", "The lab"),
                    tag("p", lead, class_="subtitle"),
                ),
                tag("ol", *self._links, class_="contents card"),
                *self._sections,
            ),
            tag("footer", tag("p", "Written by Steadygrad. Every verdict is computed.")),
        )
        return f"<!DOCTYPE html>\n{tag('html', _head(), body, lang='en')}\n"


def _head() -> Html:
    style = _asset("steadygrad.report", "page.css") + _asset("steadygrad.lab", "gallery.css")
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", "The lab – Steadygrad"),
        tag("link", rel="icon", href="data:,"),
        tag("style", Html(style)),
    )


def _asset(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def _section(finished: Finished, figures: list[Html]) -> Html:
    experiment, result = finished.experiment, finished.result
    verdicts = tag("ul", *(_verdict(verdict) for verdict in result.verdicts), class_="verdicts")
    return tag(
        "section",
        tag("h2", experiment.title),
        tag("p", tag("b", "Claim. "), experiment.claim, class_="claim"),
        tag("p", experiment.explanation, class_="prose"),
        *figures,
        tag("p", tag("b", "Seen. "), result.text, class_="prose"),
        tag("div", verdicts, class_="card"),
        _numbers(finished),
        tag("p", tag("b", "Source: "), experiment.source, class_="note"),
        tag("p", tag("code", _command(finished)), f" took {finished.seconds:.1f} s", class_="note"),
        id=experiment.name,
    )


def _verdict(verdict: Verdict) -> Html:
    measured = "" if verdict.measured is None else f"measured {show(verdict.measured)}, "
    detail = f"{measured}expected {verdict.expected}"
    return tag(
        "li",
        _sign(verdict.holds),
        tag(
            "div",
            verdict.text,
            tag("span", ": ", detail, class_="measured"),
            tag("div", verdict.tolerance, class_="soft") if verdict.tolerance else None,
        ),
        class_="good" if verdict.holds else "bad",
    )


def _sign(holds: bool) -> Html:
    words = "holds" if holds else "does not hold"
    return tag("span", "✓" if holds else "✗", class_="sign", role="img", aria_label=words)


def _numbers(finished: Finished) -> Html:
    rows = finished.result.numbers
    heads = columns_of(rows)
    right = {head for head in heads if any(isinstance(row.get(head), int | float) for row in rows)}
    drawn = table(
        [numeric_head(head) if head in right else head for head in heads],
        [
            [
                numeric(show(row.get(head))) if head in right else show(row.get(head))
                for head in heads
            ]
            for row in rows
        ],
    )
    if len(rows) <= MAX_ROWS:
        return tag("div", drawn, class_="card")
    return tag("details", tag("summary", f"The numbers ({len(rows)} rows)"), drawn, class_="card")


def _command(finished: Finished) -> str:
    words = ["steadygrad lab", finished.experiment.name]
    for option in options_of(finished.experiment):
        value = finished.values[option.name]
        if value != option.default:
            words.append(f"--{option.name.replace('_', '-')} {as_typed(value)}")
    return " ".join(words)
