"""Rows of small pictures with their captions."""

from __future__ import annotations

from steadygrad.report.data import Picture
from steadygrad.report.markup import Html, tag
from steadygrad.report.picture import image_tag
from steadygrad.report.words import percent, shorten

LONGEST = 20
"""Characters of a class name below a picture: two lines."""


def gallery(pictures: list[Picture], captions: bool = True) -> Html:
    """The pictures side by side; `captions` says true → predicted, else only the probability."""
    return tag("ul", *(tag("li", _figure(p, captions)) for p in pictures), class_="gallery")


def _figure(picture: Picture, captions: bool) -> Html:
    image = image_tag(picture, _alt(picture))
    parts: list[Html] = []
    if captions and picture.true:
        parts.append(tag("span", tag("bdi", shorten(picture.true, LONGEST)), class_="true"))
    if captions and picture.predicted:
        called = tag("bdi", shorten(picture.predicted, LONGEST))
        parts.append(tag("span", tag("span", "→ ", class_="soft"), called, class_="predicted"))
    if picture.probability is not None:
        parts.append(tag("span", percent(picture.probability), class_="soft"))
    caption = tag("figcaption", *parts) if parts else None
    return tag("figure", image, caption, data_tip=picture.name or None)


def _alt(picture: Picture) -> str:
    words = picture.name or "picture"
    if picture.true:
        words += f", truly {picture.true}"
    if picture.predicted:
        words += f", called {picture.predicted}"
    return words
