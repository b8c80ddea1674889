"""Tables as people export them: bytes to a header and rows, whatever program wrote them.

UTF-8 with or without mark, cp1252, or both in one file; comma, semicolon or tab. A line that
cannot be read is given as a fault with its number, and the next line is read as if it were not
there. What the columns mean is not known here.
"""

from __future__ import annotations

import codecs
import csv
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from askfirst.errors import InvalidInput

MOST_LINES = 50_000
MOST_BYTES = 32 * 1024 * 1024
LONGEST_LINE = 32_768
LONGEST_RECORD_LINES = 20
"""How many lines a quoted cell may run over before its mark counts as never closed."""

DELIMITERS = (",", ";", "\t")
_TRIGGERS = tuple("=+-@\t\r＝＋－＠")


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of a record and the line, from 1, that it begins on."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that says nothing usable: `code` for programs, `message` in English; no content."""

    line: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: how it was written, its header, and its rows as they are asked for."""

    encoding: str
    delimiter: str
    header: tuple[str, ...]
    rows: Iterable[Row | Fault]


def read_sheet(
    content: bytes,
    knows: Callable[[str], bool],
    runs_over: Callable[[str], bool],
    *,
    example: str = "name,phone,company",
) -> Sheet:
    """The table in a file; `knows` says whether a header cell names a column that is wanted.

    `runs_over` says in which columns a cell may have several lines; elsewhere a line end in
    quotes is a mark that was never closed. The delimiter is the one that gives the most known
    names; `example` is a header for the message. Raises InvalidInput for more than 50,000 lines
    or 32 MB, for UTF-16 and for a file without any known name in its first line.
    """
    if len(content) > MOST_BYTES:
        raise InvalidInput(f"a file of {len(content)} bytes; expected at most {MOST_BYTES}")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InvalidInput("the file is UTF-16; save it as CSV in UTF-8 and try again")
    content = content.removeprefix(codecs.BOM_UTF8)
    raw = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").removesuffix(b"\n").split(b"\n")
    if len(raw) > MOST_LINES + 1:
        raise InvalidInput(
            f"{len(raw) - 1} lines below the header; expected at most {MOST_LINES}, split the file"
        )
    encodings: set[str] = set()
    lines = [_decoded(each, encodings) for each in raw]
    first = 0
    while first < len(lines) and _says_nothing(lines[first]):
        first += 1
    top = lines[first] if first < len(lines) else None
    if top is None or len(top) > LONGEST_LINE:
        raise _headless(example)
    try:
        headers = {each: _cells([top], each) for each in DELIMITERS}
    except csv.Error as error:
        raise _headless(example) from error
    delimiter = max(headers, key=lambda each: sum(map(knows, headers[each])))
    header = headers[delimiter]
    if not any(map(knows, header)):
        raise _headless(example)
    encoding = "mixed" if len(encodings) > 1 else next(iter(encodings), "utf-8")
    may_run_over = [runs_over(name) for name in header]
    rows = _rows(lines, first + 1, delimiter, may_run_over)
    return Sheet(encoding, delimiter, tuple(header), rows)


def neutralised(cell: str) -> str:
    """A cell as it may be exported: no program takes it for a formula.

    A ``'`` is put before what begins with = + - @ and their like; `kept_text` takes it off.
    """
    return f"'{cell}" if cell.lstrip("'").startswith(_TRIGGERS) else cell


def kept_text(cell: str) -> str:
    """A cell of an import as plain text; undoes `neutralised` and changes nothing else."""
    is_marked = cell.startswith("'") and cell.lstrip("'").startswith(_TRIGGERS)
    return cell[1:] if is_marked else cell


def written(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Rows as lines of CSV (RFC 4180), every cell neutralised."""
    holder = _Line()
    writer = csv.writer(holder)
    for row in rows:
        writer.writerow([neutralised(each) for each in row])
        yield holder.text


class _Line:
    """Where the writer puts its line."""

    text = ""

    def write(self, text: str) -> int:
        self.text = text
        return len(text)


def _decoded(raw: bytes, encodings: set[str]) -> str | None:
    """A line as text; files are joined from several, so every line is looked at by itself."""
    if raw.isascii():
        return raw.decode("ascii")
    for encoding in ("utf-8", "cp1252"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        encodings.add(encoding)
        return text
    return None


def _says_nothing(line: str | None) -> bool:
    # Excel writes and reads ``sep=;`` as a first line.
    return line is not None and (not line.strip() or line.strip().lower().startswith("sep="))


def _headless(example: str) -> InvalidInput:
    return InvalidInput(
        f"the first line names no known column; expected a header such as {example}"
    )


def _rows(
    lines: list[str | None], start: int, delimiter: str, may_run_over: Sequence[bool]
) -> Iterator[Row | Fault]:
    at = start
    while at < len(lines):
        text, number = lines[at], at + 1
        at += 1
        fault = _fault(text, number)
        if fault is not None:
            yield fault
        elif text is None or not text.strip():
            continue
        elif '"' not in text:
            yield Row(number, tuple(text.split(delimiter)))
        else:
            taken: list[str] = []
            try:
                cells = _cells(_record(lines, at - 1, taken), delimiter)
            except csv.Error:
                cells = []
            if cells and (len(taken) == 1 or _is_whole(cells, may_run_over)):
                at += len(taken) - 1
                yield Row(number, tuple(cells))
            else:
                yield Fault(number, "quotes", "a quotation mark is not closed, or not doubled")


def _is_whole(cells: Sequence[str], may_run_over: Sequence[bool]) -> bool:
    """Whether a record of several lines is one, and no open mark that swallowed its neighbours."""
    return len(cells) == len(may_run_over) and all(
        may or "\n" not in cell for cell, may in zip(cells, may_run_over, strict=True)
    )


def _record(lines: list[str | None], start: int, taken: list[str]) -> Iterator[str]:
    """Lines for the reader of one record, noting those that it took."""
    for text in lines[start : start + LONGEST_RECORD_LINES]:
        if text is None or _fault(text, 0) is not None:
            return
        taken.append(text)
        yield text + "\n"


def _cells(lines: Iterable[str], delimiter: str) -> list[str]:
    return next(csv.reader(lines, delimiter=delimiter, strict=True), [])


def _fault(text: str | None, number: int) -> Fault | None:
    if text is None:
        return Fault(number, "encoding", "neither UTF-8 nor Windows text (cp1252)")
    if len(text) > LONGEST_LINE:
        return Fault(number, "too-long", f"longer than {LONGEST_LINE} characters")
    if not text.isprintable() and any(
        each != "\t" and unicodedata.category(each) == "Cc" for each in text
    ):
        return Fault(number, "control", "a control character, such as NUL")
    return None
