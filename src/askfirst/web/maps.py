"""The maps of the rules as SVG text: one link for each place, no script, no inline style.

The shapes are package data below `maps/`, drawn by a maintainer's tool. What a place says comes
from the caller, so that a new rule or another language needs no new map.

What the page's style sheet can name: `.map` (with `.map-world` or `.map-us`), `.sea`, `.land` (no
rule here), `.place` with one of the words in `KINDS`, `.dot`, `.lead` (from a dot to where its
place is), and in the patterns `.hatch-KIND` around a `.ground` and its `.line`. A key in the same
page may use the patterns: ``fill="url(#map-world-ask)"``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from typing import TypeAlias

from askfirst.errors import InvalidInput, NotFound

Mark: TypeAlias = tuple[str, str]
"""What a place gets: one of `KINDS`, and what a reader hears and sees after the place's name."""

# How large the hatches are: where places are small, a coarse hatch could miss them.
_SCALES = {"world": 0.75, "us": 1.0}

MAPS = tuple(_SCALES)
"""Names of the maps there are."""

# Lines for each kind on a tile of 6 by 6 units. They differ in shape, so that nobody has to tell
# colours apart; `may` is the only one without.
_LINES = {
    "may": "",
    "tell": "M1.5 1.5h1.2M4.5 4.5h1.2",
    "ask": "M-1 7L7-1M-1 1L1-1M5 7L7 5",
    "no": "M0 0L6 6M0 6L6 0",
    "unreviewed": "M0 1.5h6M0 4.5h6",
}
KINDS = tuple(_LINES)
"""Class words of a place: what may be done there, or that its rules were not read yet."""

DESCRIPTION = (
    "Each place is a link to its rules. The table says the same in words. Small places are dots, "
    "some beside where they are. Borders are drawn as they are in effect; that takes no side."
)


@dataclass(frozen=True, slots=True)
class Shape:
    """One place of a map. `path` is closed outlines, even-odd; empty when only a dot is left.

    `x` and `y` are its centre, or the dot's; `lead` runs from the place to a dot moved aside.
    """

    code: str
    path: str
    x: float
    y: float
    dot: bool
    lead: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A map as it is stored; all in units of `view_box`, dots of `radius`, places by code."""

    source: str
    view_box: str
    radius: float
    sea: str
    land: str
    places: tuple[Shape, ...]


@cache
def chart(which: str) -> Chart:
    """The stored map; `which` is one of `MAPS`, anything else raises NotFound."""
    if which not in MAPS:
        raise NotFound(f"no map {which!r}; expected one of: {', '.join(MAPS)}")
    stored = json.loads((files("askfirst.web") / "maps" / f"{which}.json").read_text("utf-8"))
    return Chart(**{**stored, "places": tuple(Shape(**place) for place in stored["places"])})


def svg(
    which: str,
    marks: Mapping[str, Mark],
    *,
    title: str,
    href: Callable[[str], str],
    name: Callable[[str], str],
    description: str = DESCRIPTION,
) -> str:
    """The map as one `<svg>` element, ready to stand in a page; the same input, the same text.

    `marks` gives each code its mark; codes that are not on this map are passed over, and places
    without a mark are drawn as land without a link. `href` and `name` are asked for every code that
    gets a link. Everything is escaped here. Raises NotFound for a map that is not there and
    InvalidInput for a kind that is not one of `KINDS`.
    """
    drawn = chart(which)
    _check(marks)
    linked = [shape for shape in drawn.places if shape.code in marks]
    bare = [shape.path for shape in drawn.places if shape.code not in marks and not shape.dot]
    links = (
        _link(which, shape, drawn.radius, marks[shape.code], href(shape.code), name(shape.code))
        for shape in sorted(linked, key=lambda shape: (shape.dot, shape.code))
    )
    # A group and not an image: what is inside an image is hidden from screen readers, links too.
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="map map-{which}" role="group" '
            f'viewBox="{drawn.view_box}" '
            f'aria-labelledby="map-{which}-title" aria-describedby="map-{which}-desc">',
            f'<title id="map-{which}-title">{escape(title)}</title>',
            f'<desc id="map-{which}-desc">{escape(description)}</desc>',
            "<defs>",
            *_patterns(which),
            "</defs>",
            '<g fill-rule="evenodd" stroke-linejoin="round">',
            *_ground(drawn, bare),
            *links,
            "</g>",
            "</svg>",
        )
    )


def _check(marks: Mapping[str, Mark]) -> None:
    for code, (kind, _) in marks.items():
        if kind not in _LINES:
            raise InvalidInput(
                f"the mark of {code} is {kind!r}; expected one of: {', '.join(KINDS)}"
            )


def _patterns(which: str) -> Iterator[str]:
    """One hatch for each kind. Without a style sheet it is lines in the colour of the text."""
    for kind, lines in _LINES.items():
        yield (
            f'<pattern id="map-{which}-{kind}" class="hatch-{kind}" width="6" height="6" '
            f'patternUnits="userSpaceOnUse" patternTransform="scale({_SCALES[which]:g})">'
            '<rect class="ground" width="6" height="6" fill="none"/>'
            f'<path class="line" d="{lines}" fill="none" stroke="currentColor"/></pattern>'
        )


def _ground(drawn: Chart, bare: Iterable[str]) -> Iterator[str]:
    """What lies under the links: the sea, and land about which nothing is said."""
    if drawn.sea:
        yield f'<path class="sea" d="{drawn.sea}" fill="none" stroke="currentColor"/>'
    land = drawn.land + "".join(bare)
    if land:
        yield f'<path class="land" d="{land}" fill="none" stroke="currentColor"/>'


def _link(which: str, shape: Shape, radius: float, mark: Mark, target: str, place: str) -> str:
    """A place: its outline, if it is small a dot too, and words for both."""
    kind, label = mark
    look = f'class="place {kind}" fill="url(#map-{which}-{kind})"'
    parts = [f'<a href="{escape(target)}"><title>{escape(f"{place}: {label}")}</title>']
    if shape.path:
        parts.append(f'<path {look} d="{shape.path}"/>')
    if shape.lead:
        parts.append(f'<path class="lead" d="{shape.lead}" fill="none" stroke="currentColor"/>')
    if shape.dot:
        dot = look.replace('"place ', '"place dot ')
        parts.append(f'<circle {dot} cx="{shape.x}" cy="{shape.y}" r="{radius:g}"/>')
    return "".join([*parts, "</a>"])
