"""Reading tables of a rule file: typed values out, every fault noted, nothing raised.

A `Reader` answers with a harmless stand-in where the file is wrong and adds a line to the
faults, so that one pass finds everything. Whoever reads looks at the faults before using the
values. What the words mean is no concern of this module.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime

LANGUAGES = ("en", "nb")
"""Languages that every text of a rule file must have."""

MAX_DEPTH = 8
"""Tables and lists within each other; the form itself needs five."""

MAX_LINE = 2_000
"""Characters in a line: the parser takes quadratic time for a key of many parts."""

_NO_DAY = date(1900, 1, 1)
_HUGE = 10**18


def parse_toml(text: str, filename: str, faults: list[str]) -> Mapping[str, object]:
    """The file's tables; empty with a fault when it is not TOML or out of bounds."""
    for number, one in enumerate(text.split("\n"), start=1):
        if len(one) > MAX_LINE:
            what = f"line {number} has more than {MAX_LINE} characters"
            faults.append(f"{filename}: {what}; mend: break the line or shorten the text")
            return {}
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        why = plain(str(error), 200)
        faults.append(f"{filename}: not TOML ({why}); mend: correct the line that is named")
        return {}
    for key, what in _out_of_bounds(tables):
        faults.append(f"{filename}: {plain(key)}: {what}; mend: use the form of the template")
        return {}
    return tables


def _out_of_bounds(tables: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Top keys under which something stands too deep or is too large to be written down."""
    # Depth is not left to the stack, and a number of many digits cannot even be shown.
    waiting: list[tuple[str, int, object]] = [(key, 1, tables[key]) for key in tables]
    while waiting:
        key, depth, value = waiting.pop()
        if isinstance(value, int) and abs(value) >= _HUGE:
            yield key, "a huge number"
        elif isinstance(value, dict | list):
            if depth > MAX_DEPTH:
                yield key, f"nested more than {MAX_DEPTH} deep"
            within = value.values() if isinstance(value, dict) else value
            waiting += [(key, depth + 1, each) for each in within]


def plain(text: str, most: int = 60) -> str:
    """Text of a file as a fault may show it: short, one line, nothing that a terminal obeys."""
    short = text if len(text) <= most else f"{text[: most // 2]}...{text[-(most // 2) :]}"
    return short if short.isprintable() else ascii(short)[1:-1]


def shown(value: object) -> str:
    """A value of a file as a fault shows it: short, whatever it is."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    text = str(value) if not isinstance(value, int) or abs(value) < _HUGE else "a huge number"
    return repr(text if len(text) <= 40 else text[:37] + "...")


class Reader:
    """One table of a rule file. `path` names it in faults: the file, then the keys to it."""

    def __init__(self, table: Mapping[str, object], path: str, faults: list[str]) -> None:
        self._table = table
        self._path = path
        self._faults = faults
        self._asked: set[str] = set()

    def fault(self, key: str, found: str, mend: str) -> None:
        """Note what is wrong with a key and what to do about it."""
        name = plain(key)
        where = f"{self._path}.{name}" if ": " in self._path else f"{self._path}: {name}"
        self._faults.append(f"{where}: {found}; mend: {mend}")

    def done(self) -> None:
        """Note every key that the form does not know; call when all others were read."""
        for key in self._table:
            if key not in self._asked:
                known = ", ".join(sorted(self._asked))
                self.fault(key, "not a key of this table", f"remove it, or use one of {known}")

    def text(self, key: str) -> str:
        """A string that is not empty."""
        value = self._value(key, "a text in quotation marks")
        return self._string(key, value) if value is not None else ""

    def maybe_text(self, key: str) -> str | None:
        """A string that is not empty, None where the key is absent."""
        return self.text(key) if self._has(key) else None

    def texts(self, key: str) -> Mapping[str, str]:
        """A sentence in every language of the form; more languages are allowed."""
        table = self.table(key)
        for language in LANGUAGES:
            table.text(language)
        return {
            language: table._string(language, value) for language, value in table._table.items()
        }

    def maybe_texts(self, key: str) -> Mapping[str, str] | None:
        """A sentence in every language of the form, None where the key is absent."""
        return self.texts(key) if self._has(key) else None

    def word(self, key: str, allowed: Collection[str]) -> str:
        """One word of a closed vocabulary."""
        value = self._value(key, f"one of {', '.join(allowed)}")
        return self._one_of(key, value, allowed) if value is not None else next(iter(allowed))

    def maybe_word(self, key: str, allowed: Collection[str]) -> str | None:
        """One word of a closed vocabulary, None where the key is absent."""
        return self.word(key, allowed) if self._has(key) else None

    def words(self, key: str, allowed: Collection[str]) -> tuple[str, ...]:
        """Words of a closed vocabulary, each once; none where the key is absent."""
        return tuple(self._one_of(key, word, allowed) for word in self.strings(key))

    def strings(self, key: str) -> tuple[str, ...]:
        """Strings, each once; none where the key is absent."""
        found = tuple(self._string(key, value) for value in self._list(key))
        if len(set(found)) != len(found):
            self.fault(key, "says something twice", "name each once")
        return found

    def day(self, key: str) -> date:
        """A calendar date without a time."""
        value = self._value(key, "a date such as 2026-11-23")
        if value is None:
            return _NO_DAY
        if isinstance(value, datetime) or not isinstance(value, date):
            self.fault(key, f"{shown(value)} is not a date", "write it as 2026-11-23, unquoted")
            return _NO_DAY
        return value

    def maybe_day(self, key: str) -> date | None:
        """A calendar date without a time, None where the key is absent."""
        return self.day(key) if self._has(key) else None

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self._value(key, "true or false")
        if value is not None and not isinstance(value, bool):
            self.fault(key, f"{shown(value)} is neither true nor false", "write true or false")
        return value is True

    def maybe_flag(self, key: str) -> bool | None:
        """True or false, None where the key is absent."""
        return self.flag(key) if self._has(key) else None

    def number(self, key: str, default: int, low: int, high: int) -> int:
        """A whole number from `low` to `high`, `default` where the key is absent."""
        if not self._has(key):
            return default
        value = self._table[key]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.fault(key, shown(value), f"write a whole number from {low} to {high}")
            return default
        return value

    def table(self, key: str) -> Reader:
        """A table; an empty one where it is missing, and then each of its keys is a fault."""
        value = self._value(key, "a table")
        return self._sub(key, key, {} if value is None else value)

    def maybe_table(self, key: str) -> Reader | None:
        """A table, None where the key is absent."""
        return self.table(key) if self._has(key) else None

    def tables(self, key: str) -> list[Reader]:
        """An array of tables, empty where the key is absent."""
        return [self._sub(key, f"{key}[{n}]", v) for n, v in enumerate(self._list(key))]

    def raw(self, key: str) -> Mapping[str, object]:
        """A table whose keys somebody else checks, empty where the key is absent."""
        found = self.maybe_table(key)
        return found._table if found else {}

    def _has(self, key: str) -> bool:
        self._asked.add(key)
        return key in self._table

    def _value(self, key: str, wanted: str) -> object:
        if not self._has(key):
            self.fault(key, "missing", f"add {wanted}")
            return None
        return self._table[key]

    def _list(self, key: str) -> list[object]:
        value = self._table[key] if self._has(key) else []
        if not isinstance(value, list):
            self.fault(key, f"{shown(value)} is not a list", "put it in square brackets")
            return []
        return value

    def _sub(self, key: str, name: str, value: object) -> Reader:
        path = f"{self._path}.{name}" if ": " in self._path else f"{self._path}: {name}"
        if not isinstance(value, dict):
            self.fault(key, f"{shown(value)} is not a table", "write it as a table")
            value = {}
        return Reader(value, path, self._faults)

    def _string(self, key: str, value: object) -> str:
        if not isinstance(value, str) or not value.strip():
            self.fault(key, f"{shown(value)} is not a text", "write words in quotation marks")
            return ""
        return value

    def _one_of(self, key: str, value: object, allowed: Collection[str]) -> str:
        if not isinstance(value, str) or value not in allowed:
            self.fault(key, shown(value), f"use one of {', '.join(allowed)}")
            return next(iter(allowed))
        return value
