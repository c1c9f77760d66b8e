"""Small histograms through depth: a row a layer, a column a watched step."""

from __future__ import annotations

from collections.abc import Sequence

from steadygrad.report.inside import Layer
from steadygrad.report.markup import Html, tag
from steadygrad.report.scales import tick_text
from steadygrad.report.words import number, shorten

WIDTH, HEIGHT = 120.0, 34.0
THIN = 2.5
"""Pixels under which a histogram is drawn as one bar."""
CUT = 1.8
"""Times the second highest bar: what is higher is cut."""


def draw(found: Sequence[Layer], steps: Sequence[int]) -> Html:
    """The table of pictures; all of a row share one axis, printed beside it."""
    heads: list[Html] = [tag("th", "layer", scope="col", class_="name")]
    heads += [tag("th", f"step {tick_text(step)}", scope="col") for step in steps]
    rows = [_row(layer, steps) for layer in found]
    head = tag("thead", tag("tr", *heads))
    return tag("div", tag("table", head, tag("tbody", *rows), class_="spread"), class_="scroll")


def _row(layer: Layer, steps: Sequence[int]) -> Html:
    ends = [layer.ends(step) for step in steps]
    known = [end for end in ends if end] or [(0.0, 0.0)]
    low, high = min(end[0] for end in known), max(end[1] for end in known)
    span = f"{number(low, 2)} to {number(high, 2)}" if low < high else f"always {number(low, 2)}"
    if low == high:
        margin = 0.5 * abs(low) or 0.5
        low, high = low - margin, high + margin
    head = tag(
        "th",
        tag("code", shorten(layer.name, 30)),
        tag("span", span, class_="soft"),
        scope="row",
        title=layer.name,
    )
    cells = [
        tag("td", _picture(layer, step, end, (low, high)) if end else "")
        for step, end in zip(steps, ends)
    ]
    return tag("tr", head, *cells)


def _picture(layer: Layer, step: int, ends: tuple[float, float], axis: tuple[float, float]) -> Html:
    parts = _bars(layer.signals[step].histogram, ends, axis)
    parts.append(tag("line", x1=0, x2=WIDTH, y1=HEIGHT, y2=HEIGHT, class_="axis"))
    if axis[0] < 0 < axis[1]:
        zero = -axis[0] * WIDTH / (axis[1] - axis[0])
        parts.append(tag("line", x1=zero, x2=zero, y1=0, y2=HEIGHT, class_="zero"))
    words = (
        f"step {step}: {number(ends[0], 3)} to {number(ends[1], 3)}, "
        f"mean {number(layer.value(step, 'mean'), 3)}, std {number(layer.value(step, 'std'), 3)}"
    )
    return tag(
        "svg",
        *parts,
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"Histogram of {layer.name} at {words}",
        data_tip=words,
    )


def _bars(
    shares: Sequence[float], ends: tuple[float, float], axis: tuple[float, float]
) -> list[Html]:
    scale = WIDTH / (axis[1] - axis[0])
    left, width = (ends[0] - axis[0]) * scale, (ends[1] - ends[0]) * scale
    if width < THIN:
        # All (nearly) the same number: one bar that can be seen.
        box = {"x": left + (width - THIN) / 2, "y": 2.0, "width": THIN, "height": HEIGHT - 2}
        return [tag("rect", **box, class_="fill tone-blue")]
    bin_width = width / len(shares)
    ranked = sorted(shares)
    # The zeros after a ReLU must not flatten all the rest.
    tallest = min(ranked[-1], CUT * ranked[-2]) or 1.0
    path, cuts = [f"M{left:.1f} {HEIGHT:g}"], list[Html]()
    for index, share in enumerate(shares):
        path.append(f"V{HEIGHT - (HEIGHT - 2) * min(share / tallest, 1):.1f}h{bin_width:.2f}")
        if share > tallest:
            x = left + index * bin_width
            cuts.append(tag("line", x1=x - 1, x2=x + bin_width + 1, y1=9, y2=6, class_="cut"))
    path.append(f"V{HEIGHT:g}Z")
    return [tag("path", d="".join(path), class_="fill tone-blue"), *cuts]
