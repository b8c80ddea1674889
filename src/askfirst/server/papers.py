"""The papers that an account owes: each as a document in a language, out of plain values.

What a paper says stands as data in ``texts/paper-KIND.toml``, its names and words in
``texts/papers.toml``. A value that the settings do not give is a gap: marked where it stands, and
listed at the end. Nothing here is guessed, and nothing that people typed is read as a text of ours.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

from askfirst.server.paper import Fact, Paper, Section, Table

LANGUAGES: Mapping[str, str] = {"en": "English", "nb": "Norsk bokmål", "de": "Deutsch"}
"""Languages of the papers, each by its own name."""

_NAME = re.compile(r"\{(\w+)\}")


class PaperKind(StrEnum):
    """Which paper; the word stands in its address."""

    RECORD = "record"
    ASSESSMENT = "assessment"
    PROCESSORS = "processors"
    DELETION = "deletion"
    AGREEMENT = "agreement"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class Values:
    """What a paper is filled with, in one language.

    `said` are texts by name; a name that is not there, or None, is a gap. `holds` says of every
    condition that texts may ask for whether it is true, `lists` what rows are repeated for: texts
    by name for each of them. A condition or a list that nobody knows is an error in the texts.
    """

    made_at: datetime
    said: Mapping[str, str | None]
    holds: Mapping[str, bool]
    lists: Mapping[str, Sequence[Mapping[str, str | None]]]


@dataclass(frozen=True, slots=True)
class Made:
    """A paper with what is still to be filled in, in the order in which it stands there."""

    paper: Paper
    gaps: Sequence[str]


@dataclass(slots=True)
class _Writer:
    """Fills texts in and notes what was missing, once each, with the section it first stood in."""

    language: str
    values: Values
    section: str = ""
    gaps: dict[str, str] = field(default_factory=dict)

    def said(self, text: Mapping[str, str], more: Mapping[str, str | None] | None = None) -> str:
        """A text in the language with its names filled in."""
        own = more or {}
        return _NAME.sub(lambda name: self._value(name[1], own), text[self.language])

    def holds(self, item: Mapping[str, Any]) -> bool:
        """Whether something is to be said: every condition of its ``when``, ``!`` turns one."""
        words = str(item.get("when", "")).split()
        return all(self.values.holds[word.lstrip("!")] != word.startswith("!") for word in words)

    def fact(self, name: str) -> Fact:
        """A term with its value, or with the gap that is left for it."""
        text = self._value(name, {})
        return Fact(_shared()["term"][name][self.language], text, is_code=name == "fingerprint")

    def rows(self, items: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
        """The rows of a table; one with ``each`` stands there for everything of that list."""
        for item in items:
            if self.holds(item):
                for more in self.values.lists[item["each"]] if "each" in item else ({},):
                    yield [self.said(cell, more) for cell in item["cells"]]

    def _value(self, name: str, own: Mapping[str, str | None]) -> str:
        value = own.get(name, self.values.said.get(name))
        return value if value else self._gap(name, own)

    def _gap(self, name: str, own: Mapping[str, str | None]) -> str:
        shared = _shared()
        text = (shared["gap"].get(name) or shared["term"][name])[self.language]
        what = _NAME.sub(lambda each: own.get(each[1]) or "–", text)
        marked = str(shared["label"]["gap"][self.language]).replace("{what}", what)
        self.gaps.setdefault(marked, self.section)
        return marked


def title(kind: PaperKind, language: str) -> str:
    """What a paper is called in a language of `LANGUAGES`."""
    return str(_texts(kind)["title"][language])


def paper(kind: PaperKind, language: str, values: Values) -> Made:
    """A paper in a language of `LANGUAGES`, with its gaps marked and listed at its end."""
    writer, shared = _Writer(language, values), _shared()
    head = [writer.fact(name) for name in shared["head"]]
    sections = [
        _section(writer, stated) for stated in _texts(kind)["section"] if writer.holds(stated)
    ]
    made = Paper(
        title(kind, language),
        language,
        values.made_at,
        head,
        [*sections, _checklist(writer)],
        writer.said(shared["label"]["footer"]),
        marks=tuple(writer.gaps),
    )
    return Made(made, tuple(writer.gaps))


def word(group: str, code: str, language: str) -> str | None:
    """The words for a code of a setting; None where there are none."""
    found = _shared()["word"][group].get(code)
    return None if found is None else str(found[language])


def _section(writer: _Writer, stated: Mapping[str, Any]) -> Section:
    writer.section = writer.said(stated["title"])
    tables = []
    for each in stated.get("table", ()):
        rows = list(writer.rows(each["row"])) if writer.holds(each) else []
        if rows:
            columns = [writer.said(column) for column in each["columns"]]
            tables.append(Table(columns, rows, each.get("weights", ())))
    return Section(
        writer.section,
        [writer.fact(name) for name in stated.get("facts", ())],
        [writer.said(each) for each in stated.get("paragraph", ()) if writer.holds(each)],
        [writer.said(each) for each in stated.get("quotation", ()) if writer.holds(each)],
        tables,
    )


def _checklist(writer: _Writer) -> Section:
    label = _shared()["label"]
    rows = [
        [str(number), text, where or "–"]
        for number, (text, where) in enumerate(writer.gaps.items(), 1)
    ]
    count = writer.said(label["open"], {"count": str(len(rows))})
    columns = [writer.said(label[name]) for name in ("number", "what", "where")]
    tables = [Table(columns, rows, (1, 9, 5))] if rows else []
    return Section(writer.said(label["checklist"]), (), [count], (), tables)


@cache
def _texts(kind: PaperKind) -> dict[str, Any]:
    return _read(f"paper-{kind}.toml")


@cache
def _shared() -> dict[str, Any]:
    return _read("papers.toml")


def _read(name: str) -> dict[str, Any]:
    file = resources.files("askfirst") / "texts" / name
    return tomllib.loads(file.read_text(encoding="utf-8"))
