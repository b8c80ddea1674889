"""Draw the demonstration's table as an SVG that looks like a terminal.

    python tools/draw_demo.py DEMO-OUT/demo.json docs/images/demo.svg
    python tools/draw_demo.py table.txt docs/images/demo.svg

The first argument is the document of `askfirst demo`, or its table as it was printed. Standard
library only, besides the project itself for the first form.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.sax.saxutils import escape

COMMAND = "$ ./run demo"
CHARACTER_PX, LINE_PX, MARGIN_PX, BAR_PX = 8.43, 20, 20, 34
STYLE = """\
  .page { fill: #ffffff; stroke: #d0d7de }
  .dot { fill: #d0d7de }
  text { white-space: pre; font: 14px ui-monospace, Menlo, Consolas, monospace; fill: #1f2328 }
  .command { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; stroke: #3d444d }
    .dot { fill: #3d444d }
    text { fill: #e6edf3 }
  }"""


def lines_of(path: Path) -> list[str]:
    """The lines to draw."""
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        from askfirst.server.demo import Demonstration, table

        content = table(Demonstration(json.loads(content), ()))
    return [COMMAND, *content.rstrip().split("\n")]


def draw(lines: list[str]) -> str:
    """The SVG of these lines; it has light colours, and dark ones where the reader wants them."""
    width = round(max(map(len, lines)) * CHARACTER_PX + 2 * MARGIN_PX)
    height = BAR_PX + len(lines) * LINE_PX + MARGIN_PX
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-labelledby="title">',
        '<title id="title">Output of ./run demo: eight simulated calls and their proofs</title>',
        f"<style>\n{STYLE}\n</style>",
        f'<rect class="page" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>',
        *(f'<circle class="dot" cx="{20 + at * 18}" cy="18" r="6"/>' for at in range(3)),
    ]
    for at, line in enumerate(lines):
        y = BAR_PX + (at + 1) * LINE_PX - 5
        kind = ' class="command"' if at == 0 else ""
        parts.append(
            f'<text{kind} x="{MARGIN_PX}" y="{y}" xml:space="preserve">{escape(line)}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        sys.stderr.write(__doc__ or "")
        return 2
    source, target = map(Path, arguments)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(draw(lines_of(source)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
