"""The table that says whose calls the recordings of a folder are.

Columns, in any order, by English or Norwegian names: ``file`` (path from the folder), ``contact``
(number), ``agent`` (place), and if wanted ``date`` (YYYY-MM-DD), ``direction`` (outbound or
inbound) and ``language`` (spoken, such as en). A bad row is a fault of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import PurePosixPath

from askfirst.errors import InvalidInput
from askfirst.hearing import LANGUAGES as SPOKEN
from askfirst.policy import PLACE_CODE
from askfirst.server.csvlines import Fault, Row, kept_text, read_sheet


class Column(StrEnum):
    """What a column says of a recording."""

    FILE = "file"
    CONTACT = "contact"
    AGENT = "agent"
    DATE = "date"
    DIRECTION = "direction"
    LANGUAGE = "language"


# Header names, English then Norwegian, in lower case and without anything but letters.
_NAMES: Mapping[Column, str] = {
    Column.FILE: "file filename path recording fil filnavn sti opptak",
    Column.CONTACT: "contact contactnumber number phone kontakt kontaktnummer nummer telefon",
    Column.AGENT: "agent agentplace place agentsted sted",
    Column.DATE: "date day callat dato dag",
    Column.DIRECTION: "direction retning",
    Column.LANGUAGE: "language spoken språk",
}
_COLUMNS = {name: column for column, names in _NAMES.items() for name in names.split()}
_NOT_LETTER = re.compile(r"[\W\d_]")
_INBOUND = {
    "outbound": False, "out": False, "utgående": False, "ut": False,
    "inbound": True, "in": True, "innkommende": True, "inn": True,
}  # fmt: skip
_DAY_LETTERS = len("2026-01-01")


@dataclass(frozen=True, slots=True)
class Listed:
    """A row: a recording and its call. None: not said, so that the command's own word counts."""

    line: int
    file: str
    contact: str
    agent: str | None
    on: date | None
    is_inbound: bool | None
    language: str | None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that says nothing usable; `file` where at least that can be read."""

    line: int
    file: str | None
    message: str


def read_numbers(content: bytes) -> Iterator[Listed | BadRow]:
    """The rows of a table in their order, bad ones in their place.

    A second row for a file is a bad one. Raises InvalidInput before the first row for a table
    without a column for files and one for numbers, and as `csvlines.read_sheet`.
    """
    sheet = read_sheet(
        content,
        lambda name: _column(name) is not None,
        lambda _name: False,
        example="file,contact,agent",
    )
    places: dict[Column, int] = {}
    for index, name in enumerate(sheet.header):
        column = _column(name)
        if column is not None:
            places.setdefault(column, index)
    if lacking := [each for each in (Column.FILE, Column.CONTACT) if each not in places]:
        raise InvalidInput(
            f"the table has no column {lacking[0]}; expected file, contact and agent, and if "
            "wanted date, direction and language. Name the columns in the first line"
        )
    return _rows(sheet.rows, places)


def _rows(rows: Iterable[Row | Fault], places: Mapping[Column, int]) -> Iterator[Listed | BadRow]:
    seen: dict[str, int] = {}
    for row in rows:
        read = (
            _listed(row, places)
            if isinstance(row, Row)
            else BadRow(row.line, None, f"the line cannot be read: {row.message}")
        )
        if isinstance(read, Listed):
            if read.file in seen:
                said = f"line {seen[read.file]} names this file already; keep one of the two"
                read = BadRow(read.line, read.file, said)
            else:
                seen[read.file] = read.line
        yield read


def _listed(row: Row, places: Mapping[Column, int]) -> Listed | BadRow:
    def cell(column: Column) -> str:
        index = places.get(column)
        if index is None or index >= len(row.cells):
            return ""
        return kept_text(row.cells[index]).strip()

    file: str | None = None
    try:
        file = _inside(cell(Column.FILE))
        contact = cell(Column.CONTACT)
        if not contact:
            raise InvalidInput("there is no contact number; put it in, or anything if withheld")
        return Listed(
            line=row.line,
            file=file,
            contact=contact,
            agent=_place(cell(Column.AGENT)),
            on=_day(cell(Column.DATE)),
            is_inbound=_direction(cell(Column.DIRECTION)),
            language=_language(cell(Column.LANGUAGE)),
        )
    except InvalidInput as error:
        return BadRow(row.line, file, str(error))


def _inside(text: str) -> str:
    """A path from the folder, in one spelling, that does not lead out of it."""
    path = PurePosixPath(text.replace("\\", "/"))
    if not text or not path.parts:
        raise InvalidInput("there is no file name; name a recording, from the folder on")
    if path.is_absolute() or ".." in path.parts or "\0" in text or ":" in path.parts[0]:
        raise InvalidInput("the file is outside of the folder; name it from the folder on")
    return str(path)


def _place(text: str) -> str | None:
    if not text:
        return None
    code = text.upper()
    if not PLACE_CODE.fullmatch(code):
        raise InvalidInput("the agent's place is no code; expected one such as NO or US-CA")
    return code


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text[:_DAY_LETTERS])
    except ValueError as error:
        raise InvalidInput("the date cannot be read; expected one such as 2026-11-23") from error


def _direction(text: str) -> bool | None:
    if not text:
        return None
    found = _INBOUND.get(text.casefold())
    if found is None:
        raise InvalidInput("the direction is unknown; expected outbound or inbound")
    return found


def _language(text: str) -> str | None:
    if not text:
        return None
    if text.lower() not in SPOKEN:
        raise InvalidInput(f"the language is unknown; expected {', '.join(sorted(SPOKEN))}")
    return text.lower()


def _column(name: str) -> Column | None:
    return _COLUMNS.get(_NOT_LETTER.sub("", name.casefold()))
