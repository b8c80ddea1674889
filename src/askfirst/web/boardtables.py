"""Tables of dashboards in a reader's language: as cells of a page, and as lines of a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

from babel import Locale
from babel.numbers import format_decimal, format_percent
from babel.units import format_unit
from markupsafe import Markup

from askfirst.server.boards import Board, Cell, Column, Table, Unit
from askfirst.server.consentboard import ERASED
from askfirst.web import words
from askfirst.web.boardwords import BARS, CODES, COLUMNS, OTHERWISE, TABLES
from askfirst.web.charts import Stack, bar, columns
from askfirst.web.placewords import every_place
from askfirst.web.recordingview import ERASURES
from askfirst.web.visit import Visit

NOTHING = "–"
NO_DRAWING = Markup()
RULE = "rule"
_WORDS = (Unit.CODE, Unit.NAME, Unit.GROUP, Unit.PLACE, Unit.DAY, Unit.MOMENT)
_SIZES = (("gigabyte", 10**9), ("megabyte", 10**6), ("kilobyte", 10**3))
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
BY_DAY, BY_GROUP = ("days", "weeks"), "tracker-groups"


@dataclass(frozen=True, slots=True)
class ShownCell:
    """A cell of a page. `rule` is a mode that is shown as its chip; `bar` a drawing or nothing."""

    label: str
    text: str
    is_number: bool
    rule: str = ""
    bar: Markup = NO_DRAWING


@dataclass(frozen=True, slots=True)
class ShownTable:
    """A table of a page, with a chart where it has one; the table is folded under it then.

    `heads` say whether numbers stand under them; `ends` what stands at the edges of the chart.
    """

    key: str
    title: str
    note: str
    heads: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[ShownCell]]
    chart: Markup
    ends: tuple[str, str, str]


def shown(visit: Visit, board: Board) -> list[ShownTable]:
    """The tables of a dashboard as its page shows them; trackers by group where there are any."""
    return [
        _shown(visit, board.name, each)
        for each in board.tables
        if each.rows or each.key != BY_GROUP
    ]


def lines(visit: Visit, table: Table) -> Iterator[list[str]]:
    """A table for a file: words as on the page, figures plain, shares 0 to 1, times in seconds."""
    suffixes = {Unit.MS: " (s)", Unit.BYTES: " (B)"}
    yield [_head(visit, table, each) + suffixes.get(each.unit, "") for each in table.columns]
    for row in table.rows:
        yield [
            _plain(visit, table, column, cell)
            for column, cell in zip(table.columns, row, strict=True)
        ]


def _shown(visit: Visit, board: str, table: Table) -> ShownTable:
    title, note = TABLES[board, table.key]
    heads = [_head(visit, table, each) for each in table.columns]
    chart, ends = _chart(visit, table) if table.key in BY_DAY else (Markup(), ("", "", ""))
    longest = _longest(board, table)
    return ShownTable(
        key=table.key,
        title=visit.say(title),
        note=visit.say(note) if note else "",
        heads=[
            (head, column.unit not in _WORDS)
            for head, column in zip(heads, table.columns, strict=True)
        ],
        rows=[
            [
                _cell(visit, table, column, head, cell, longest.get(column.key))
                for column, head, cell in zip(table.columns, heads, row, strict=True)
            ]
            for row in table.rows
        ],
        chart=chart,
        ends=ends,
    )


def _longest(board: str, table: Table) -> dict[str, float]:
    """The column that is drawn, with what fills its whole room."""
    drawn = BARS.get((board, table.key))
    for n, column in enumerate(table.columns):
        if column.key == drawn:
            cells = [row[n] for row in table.rows]
            values = [float(cell) for cell in cells if isinstance(cell, int | float)]
            values = [float(each) for each in cells if isinstance(each, int | float)]
            return {column.key: 1.0 if column.unit is Unit.SHARE else max(values, default=0) or 1}
    return {}


def _cell(
    visit: Visit, table: Table, column: Column, head: str, cell: Cell, longest: float | None
) -> ShownCell:
    is_number = column.unit not in _WORDS
    if column.key == RULE and isinstance(cell, str):
        return ShownCell(head, "", is_number, rule=cell)
    drawn = Markup()
    if longest is not None and isinstance(cell, int | float):
        drawn = bar(cell / longest)
    return ShownCell(head, _text(visit, table, column, cell), is_number, bar=drawn)


def _head(visit: Visit, table: Table, column: Column) -> str:
    return visit.say(OTHERWISE.get((table.key, column.key), COLUMNS[column.key]))


def _words(visit: Visit, table: Table, column: Column, cell: str) -> str:
    """What a cell of words says."""
    match column.unit:
        case Unit.CODE if cell.startswith(ERASED):
            why = ERASURES.get(cell.removeprefix(ERASED), words.mark("by rule"))
            return visit.say("Erased: %(why)s", why=visit.say(why))
        case Unit.CODE:
            known = CODES.get((table.key, column.key), {})
            return visit.say(known[cell]) if cell in known else cell
        case Unit.PLACE:
            places = every_place(visit.site.rules, visit.language)
            return places.get(cell, cell) or visit.say("Place unknown")
        case Unit.GROUP if not cell:
            return visit.say("Everybody") if len(table.rows) == 1 else visit.say("Everybody else")
        case _:
            return cell


def _text(visit: Visit, table: Table, column: Column, cell: Cell) -> str:
    """A cell as people read it."""
    locale = Locale.parse(visit.language)
    match cell:
        case None:
            return NOTHING
        case str():
            return _words(visit, table, column, cell)
        case datetime():
            return words.moment(visit.language, cell, visit.zone)
        case date():
            return words.day(visit.language, cell)
    match column.unit:
        case Unit.SHARE:
            return str(format_percent(cell, locale=locale))
        case Unit.RATE:
            return str(format_decimal(cell, "#,##0.0", locale=locale))
        case Unit.MS:
            return lasting(cell, locale)
        case Unit.BYTES:
            return _size(cell, locale)
        case _:
            return str(format_decimal(cell, locale=locale))


def lasting(ms: float, locale: Locale) -> str:
    """How long something lasts, in its two largest units: 0.8 sec, 4 min 11 sec, 3 days 4 hr."""
    if ms < MINUTE:
        return _unit(round(ms / SECOND, 1), "second", locale)
    steps = (("day", DAY), ("hour", HOUR), ("minute", MINUTE), ("second", SECOND))
    for (name, size), (below, part) in pairwise(steps):
        whole = round(ms / part) * part
        if whole >= size:
            found = [_unit(whole // size, name, locale)]
            if rest := whole % size // part:
                found.append(_unit(rest, below, locale))
            return " ".join(found)
    return _unit(round(ms / SECOND), "second", locale)


def _unit(value: float, name: str, locale: Locale) -> str:
    return str(format_unit(value, f"duration-{name}", length="short", locale=locale))


def _size(size: float, locale: Locale) -> str:
    for name, least in _SIZES:
        if size >= least:
            value = round(size / least, 1)
            return str(format_unit(value, f"digital-{name}", length="short", locale=locale))
    return str(format_unit(size, "digital-byte", length="short", locale=locale))


def _plain(visit: Visit, table: Table, column: Column, cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case str():
            return _words(visit, table, column, cell)
        case date():
            return cell.isoformat()
    if column.unit is Unit.MS:
        return f"{cell / SECOND:.3f}"
    return f"{cell:.4f}" if isinstance(cell, float) else str(cell)


def _chart(visit: Visit, table: Table) -> tuple[Markup, tuple[str, str, str]]:
    """Calls of each day, outbound below inbound; and what stands at its edges."""
    at = {column.key: n for n, column in enumerate(table.columns)}
    stacks, days = list[Stack](), list[str]()
    for row in table.rows:
        day = _text(visit, table, table.columns[0], row[0])
        out, came = _count(row[at["outbound"]]), _count(row[at["inbound"]])
        said = visit.say(
            "%(day)s: %(out)s outbound, %(came)s inbound", day=day, out=str(out), came=str(came)
        )
        stacks.append(Stack((out, came), said))
        days.append(day)
    top = max((sum(each.parts) for each in stacks), default=0)
    if not top:
        return Markup(), ("", "", "")
    told = visit.say("%(count)s at most", count=str(format_decimal(top, locale=visit.language)))
    label = visit.say("Calls from %(first)s to %(last)s; the table says the same in numbers.")
    label %= {"first": days[0], "last": days[-1]}
    return columns(stacks, label), (days[0], days[-1], told)


def _count(cell: Cell) -> int:
    return cell if isinstance(cell, int) else 0
