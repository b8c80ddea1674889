"""The page in the package of an employee's own data: every row that the JSON files have, in words.

It is read without network and script. What people typed is text in it, never markup. Words stand
as data in ``texts/owndata.toml``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache
from html import escape
from importlib import resources
from typing import Any

LANGUAGES: Mapping[str, str] = {"en": "English", "nb": "Norsk bokmål", "de": "Deutsch"}
"""Languages of the page, each by its own name."""

_LEFT_OUT = ("contacts", "colleagues", "shared", "complaints", "secrets", "ended")
_MOST_COLUMNS = 8
"""A single row of more columns stands from top to bottom."""

_STYLE = """
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 2.5rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: .875rem }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0 }
th, td { border-bottom: 1px solid #8886 }
td { overflow-wrap: anywhere; min-width: 6rem; white-space: pre-line }
"""


def page(
    data: Mapping[str, Sequence[Mapping[str, Any]]], language: str, at: datetime, *, has_voice: bool
) -> str:
    """The page as HTML in a language of `LANGUAGES`, English for any other."""
    said = _Words(language if language in LANGUAGES else "en")
    left_out = [*_LEFT_OUT, "voice" if has_voice else "no_voice"]
    shown = [name for name in data if name != "voice" or has_voice]
    title = said.of("label", "title")
    links = "".join(
        f'<li><a href="#{name}">{said.of("section", name)}</a></li>' for name in (*shown,)
    )
    sections = "".join(
        f'<h2 id="{name}">{said.of("section", name)}</h2>{_table(said, data[name])}'
        for name in shown
    )
    reasons = "".join(f"<li>{said.of('left_out', name)}</li>" for name in left_out)
    made = said.of("label", "made").replace("{at}", escape(said.cell(at)))
    return (
        f'<!doctype html><html lang="{said.language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1><p>{made}</p>"
        f'<h2 id="left-out">{said.of("label", "left_out")}</h2><ul>{reasons}</ul>'
        f"<h2>{said.of('label', 'contents')}</h2><ul>{links}</ul>{sections}</body></html>"
    )


class _Words:
    """The texts of the page in a language, escaped."""

    def __init__(self, language: str) -> None:
        self.language = language

    def of(self, group: str, name: str) -> str:
        return escape(str(_texts()[group][name][self.language]))

    def cell(self, value: Any, key: str = "") -> str:
        """A value as people read it, not yet escaped."""
        if value is None or value == "" or value == [] or value == {}:
            return "–"
        if isinstance(value, bool):
            return str(_texts()["label"]["yes" if value else "no"][self.language])
        if isinstance(value, datetime):
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, Mapping):
            if key == "texts" and self.language in value:
                return str(value[self.language])
            return "\n".join(
                f"{self._name(name)}: {self.cell(each)}" for name, each in value.items()
            )
        if isinstance(value, list | tuple):
            parts = [self.cell(each, key) for each in value]
            return ("\n\n" if any("\n" in part for part in parts) else ", ").join(parts)
        known = _texts()["word"].get(value) if isinstance(value, str) and key != "text" else None
        return str(value) if known is None else str(known[self.language])

    def _name(self, key: str) -> str:
        known = _texts()["column"].get(key)
        return key if known is None else str(known[self.language])


def _table(said: _Words, rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return f"<p>{said.of('label', 'nothing')}</p>"
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if len(rows) == 1 and len(columns) > _MOST_COLUMNS:
        facts = "".join(
            f'<tr><th scope="row">{said.of("column", key)}</th>{_cell(said, rows[0], key)}</tr>'
            for key in columns
        )
        return f'<div class="wide"><table>{facts}</table></div>'
    head = "".join(f'<th scope="col">{said.of("column", key)}</th>' for key in columns)
    body = "".join(
        "<tr>" + "".join(_cell(said, row, key) for key in columns) + "</tr>" for row in rows
    )
    rows_of = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="wide"><table>{rows_of}</table></div>'


def _cell(said: _Words, row: Mapping[str, Any], key: str) -> str:
    if key == "left_out" and not row[key]:
        name = f"voice/{row['call']}/{row['recording']}.ogg"
        return f'<td><a href="{escape(name)}">{said.of("label", "listen")}</a></td>'
    return f"<td>{escape(said.cell(row.get(key), key))}</td>"


@cache
def _texts() -> dict[str, Any]:
    file = resources.files("askfirst") / "texts" / "owndata.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))
