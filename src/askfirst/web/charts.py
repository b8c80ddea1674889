"""Charts as inline SVG without script and style: what they show stands in a table beside them.

Colours and line widths are the style sheet's. A chart is stretched to its room, so all words stand
around it and none in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

BAR, GAP = 8, 2
HEIGHT = 100


@dataclass(frozen=True, slots=True)
class Stack:
    """One bar: its parts from the bottom up, and what it says when it is pointed at."""

    parts: Sequence[int]
    title: str


def columns(stacks: Sequence[Stack], label: str) -> Markup:
    """Bars side by side; the first part of each is filled, the second one outlined.

    They differ in more than their colour, for whoever sees none.
    """
    top = max((sum(each.parts) for each in stacks), default=0) or 1
    drawn = Markup()
    for n, stack in enumerate(stacks):
        below, rects = 0, Markup()
        for which, part in enumerate(stack.parts):
            if part:
                rects += Markup(
                    '<rect class="part-{}" x="{}" y="{}" width="{}" height="{}"/>'
                ).format(
                    which,
                    n * (BAR + GAP) + GAP // 2,
                    _rounded(HEIGHT - (below + part) * HEIGHT / top),
                    BAR,
                    _rounded(part * HEIGHT / top),
                )
            below += part
        drawn += Markup("<g><title>{}</title>{}{}</g>").format(
            stack.title,
            Markup('<rect class="part-room" x="{}" y="0" width="{}" height="{}"/>').format(
                n * (BAR + GAP), BAR + GAP, HEIGHT
            ),
            rects,
        )
    return Markup(
        '<svg class="columns-chart" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" '
        'aria-label="{}" focusable="false">{}</svg>'
    ).format(max(len(stacks), 1) * (BAR + GAP), HEIGHT, label, drawn)


def bar(share: float) -> Markup:
    """A bar as long as a share of its room, 0 to 1; the number stands beside it."""
    width = _rounded(min(max(share, 0.0), 1.0) * 100)
    return Markup(
        '<svg class="bar-chart" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" '
        'focusable="false"><rect class="part-room" width="100" height="8"/>'
        '<rect class="part-0" width="{}" height="8"/></svg>'
    ).format(width)


def _rounded(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
