"""Papers: documents of facts, paragraphs and tables, as values and as PDF.

A paper is set by Typst from a template in this package. What people typed reaches it as JSON and
is text there, never markup. Only the fonts that Typst brings are used (Latin, Greek, Cyrillic), so
that equal papers give equal bytes on every machine; a letter that they lack shows as a box.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import resources

import typst

from askfirst.errors import InvalidInput

LONGEST_WORD = 76
"""Letters of a word that fits a line; a longer one is broken, as no font and no page has room."""

LONGEST_WORD_OF_A_CELL = 20
"""The same in the cell of a table that is not set as code."""

MOST_LETTERS = 2_000_000
"""Letters of a whole paper; more is no paper that somebody reads."""

_BREAK = "\u200b"
_LONG, _LONG_IN_A_CELL = (
    re.compile(rf"[^\s{_BREAK}]{{{longest + 1},}}")
    for longest in (LONGEST_WORD, LONGEST_WORD_OF_A_CELL)
)
# Controls, halves of characters, and what turns the direction of the letters after it around.
_UNPRINTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Fact:
    """A term and what is so; `is_code` for hashes, keys and commands, set in equal widths."""

    term: str
    text: str
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns; every row has as many cells as there are columns.

    `weights` are the columns' widths beside one another, equal without; the cells of the columns
    `codes` (from 0) are set in equal widths, as hashes are.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    weights: Sequence[int] = ()
    codes: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if not self.columns or any(len(row) != len(self.columns) for row in self.rows):
            raise InvalidInput(
                f"a table of {len(self.columns)} columns has a row of another length; "
                "give every row one cell for each column"
            )


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with, in this order, facts, paragraphs, quotations, tables and commands."""

    title: str
    facts: Sequence[Fact] = ()
    paragraphs: Sequence[str] = ()
    quotations: Sequence[str] = ()
    tables: Sequence[Table] = ()
    commands: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Paper:
    """A document. `language` is the one it is written in (BCP 47), `footer` stands on every page.

    `made_at` is the time that the file gives as its own; the same paper gives the same bytes.
    `marks` are passages that stand out wherever they are, such as what is still to be filled in.
    `annex` begins on a page of its own; with `is_dense` what stands before it is set closely, so
    that it has a chance to be one page.
    """

    title: str
    language: str
    made_at: datetime
    facts: Sequence[Fact] = ()
    sections: Sequence[Section] = field(default_factory=tuple)
    footer: str = ""
    marks: Sequence[str] = ()
    annex: Sequence[Section] = ()
    is_dense: bool = False

    def parts(self, text: str) -> list[tuple[str, bool]]:
        """A text in pieces, each with whether it is one of the marks and so stands out."""
        if not self.marks:
            return [(text, False)]
        # The longest first, should one begin as another does.
        known = "|".join(re.escape(mark) for mark in sorted(self.marks, key=len, reverse=True))
        pieces = re.split(f"({known})", text)
        return [(piece, bool(place % 2)) for place, piece in enumerate(pieces) if piece]


def pdf(paper: Paper) -> bytes:
    """A paper as tagged PDF, A4. Raises InvalidInput for one that is too long or has no zone."""
    if paper.made_at.utcoffset() is None:
        raise InvalidInput("a paper was made at a time without a zone; give it tzinfo=UTC")
    given = json.dumps(_shown(paper), ensure_ascii=False)
    if len(given) > MOST_LETTERS:
        raise InvalidInput(
            f"a paper of {len(given)} letters; expected at most {MOST_LETTERS}. Make several"
        )
    made = typst.Compiler(ignore_system_fonts=True).compile(
        _template(),
        format="pdf",
        sys_inputs={"paper": given},
        timestamp=int(paper.made_at.timestamp()),
    )
    if not isinstance(made, bytes):
        raise InvalidInput("a paper came out as several files; expected one PDF")
    return made


def plain(text: str) -> str:
    """Text as people may read it: no control characters, and none that hide or turn others."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", lines)


def _shown(paper: Paper) -> dict[str, object]:
    return {
        "title": _set(paper.title),
        "language": paper.language[:2],
        "made_at": list(paper.made_at.astimezone(UTC).timetuple()[:6]),
        "facts": [_fact(each) for each in paper.facts],
        "sections": [_section(each) for each in paper.sections],
        "annex": [_section(each) for each in paper.annex],
        "is_dense": paper.is_dense,
        "footer": _set(paper.footer),
        "marks": [_set(mark) for mark in paper.marks],
    }


def _section(section: Section) -> dict[str, object]:
    return {
        "title": _set(section.title),
        "facts": [_fact(fact) for fact in section.facts],
        "paragraphs": [_set(text) for text in section.paragraphs],
        "quotations": [_set(text) for text in section.quotations],
        "tables": [_table(table) for table in section.tables],
        "commands": [_set(text) for text in section.commands],
    }


def _fact(fact: Fact) -> dict[str, object]:
    return {"term": _set(fact.term), "text": _set(fact.text), "is_code": fact.is_code}


def _table(table: Table) -> dict[str, object]:
    return {
        "columns": [_LONG_IN_A_CELL.sub(_broken, plain(each)) for each in table.columns],
        "weights": list(table.weights or (1,) * len(table.columns)),
        "rows": [
            [
                {"text": _set(each), "is_code": place in table.codes}
                for place, each in enumerate(row)
            ]
            for row in table.rows
        ],
    }


def _cell(text: str, *, is_code: bool) -> dict[str, object]:
    shown = _set(text) if is_code else _LONG_IN_A_CELL.sub(_broken, plain(text))
    return {"text": shown, "is_code": is_code}


def _set(text: str) -> str:
    return _LONG.sub(_broken, plain(text))


def _broken(word: re.Match[str]) -> str:
    # Between any two letters, so that the narrowest column has room, too.
    return _BREAK.join(word[0])


@cache
def _template() -> bytes:
    return (resources.files("askfirst.server") / "paper.typ").read_bytes()
