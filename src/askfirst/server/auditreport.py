"""The results of an audit as a table for the terminal and as CSV; `auditpage` makes the page.

Words stand as data in ``texts/audit.toml``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources

from askfirst.auditing import AGENT, Audited, Findings, missing
from askfirst.server.csvlines import written

COLUMNS = (
    "file", "result", "seconds", "channels", "date", "mode", "governing", "read", "basis",
    "notice", "notice_at_ms", "not_heard", "answer", "answer_at_ms", "objection_at_ms",
    "places_named", "cards", "error",
)  # fmt: skip
"""Columns of the CSV file; no words of anybody are in it."""

_LONGEST_NAME = 40


def say(group: str, name: str, language: str, **values: object) -> str:
    """A text of an audit in ``en`` or ``nb``, filled in."""
    text = _texts()[group][name][language]
    return text.format(**values) if values else text


def state(audited: Audited) -> str:
    """What is to be done with a recording: ``order``, ``look`` or ``error``."""
    if audited.error is not None:
        return "error"
    return "order" if audited.is_in_order else "look"


def clock(ms: int | None) -> str:
    """A time of a file as minutes and seconds, with hours where it has any."""
    if ms is None:
        return "–"
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def summary(results: Sequence[Audited], language: str) -> str:
    """How many recordings there are of each state, in a sentence."""
    states = [state(each) for each in results]
    return say(
        "label",
        "summary",
        language,
        count=len(states),
        order=states.count("order"),
        look=states.count("look"),
        failed=states.count("error"),
    )


def table(results: Sequence[Audited], language: str) -> str:
    """Everything at a glance: a line or two for each recording, then the sums."""
    width = max(
        [len(_short(each.file)) for each in results] + [len(say("label", "file", language))]
    )
    names = ("state", "length", "law", "notice", "answer", "objection")
    head = [say("label", name, language) for name in names]
    rows = [[_short(each.file), *_cells(each, language)] for each in results]
    shown = [[say("label", "file", language), *head], *rows]
    widths = [width] + [max(len(row[index]) for row in shown) for index in range(1, len(names) + 1)]
    lines = []
    for row, audited in zip(shown, [None, *results], strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
        lines += [f"  {note}" for note in _notes(audited, language)] if audited else []
    return "\n".join([*lines, "", summary(results, language)])


def csv_lines(results: Sequence[Audited]) -> Iterator[str]:
    """The results as CSV with `COLUMNS`; times in milliseconds of the file."""
    yield from written([COLUMNS, *(_row(each) for each in results)])


def _row(audited: Audited) -> list[str]:
    found, decision = audited.findings, audited.decision
    return [
        audited.file,
        state(audited),
        "" if audited.seconds is None else f"{audited.seconds:.1f}",
        _plain(audited.channels),
        "" if decision is None else decision.on.isoformat(),
        "" if decision is None else decision.mode.word,
        "" if decision is None else " ".join(decision.governing),
        " ".join(audited.read),
        audited.basis or "",
        "" if found is None else found.check.verdict.value,
        "" if found is None else _plain(found.check.at_ms),
        "" if found is None else " ".join(missing(found)),
        "" if found is None else found.answer,
        "" if found is None else _plain(found.answer_at_ms),
        "" if found is None else _plain(found.objection_at_ms),
        "" if found is None else " ".join(each.code for each in found.places),
        "" if found is None else str(len(found.cards)),
        audited.error or "",
    ]


def _plain(number: int | None) -> str:
    return "" if number is None else str(number)


def _cells(audited: Audited, language: str) -> list[str]:
    found, decision = audited.findings, audited.decision
    length = "–" if audited.seconds is None else clock(int(audited.seconds * 1000))
    law = "–"
    if decision is not None:
        law = f"{say('mode', decision.mode.word, language)} ({' '.join(decision.governing)})"
    cells = [say("state", state(audited), language), length, law]
    if found is None:
        return [*cells, "–", "–", "–"]
    return [*cells, *heard(audited, found, language)]


def heard(audited: Audited, found: Findings, language: str) -> tuple[str, str, str]:
    """What is heard of the notice, of the answer and of an objection, each with its time."""
    notice = say("verdict", found.check.verdict.value, language)
    has_others = any(speaker != AGENT for speaker in audited.read)
    answer = found.answer if has_others else "unread"
    return (
        timed(notice, found.check.at_ms, language),
        timed(say("answer", answer, language), found.answer_at_ms, language),
        clock(found.objection_at_ms),
    )


def timed(word: str, at_ms: int | None, language: str) -> str:
    """A word with when it was said, where that is known."""
    return word if at_ms is None else f"{word} {say('label', 'at', language, time=clock(at_ms))}"


def _notes(audited: Audited, language: str) -> Iterator[str]:
    if audited.error is not None:
        yield audited.error
    found = audited.findings
    if found is None:
        return
    if found.check.verdict.value != "not-needed" and missing(found):
        yield say("label", "lacking", language, elements=", ".join(missing(found)))
    if found.places:
        named = ", ".join(f"{each.code} {clock(each.at_ms)}" for each in found.places)
        yield f"{say('label', 'places', language)}: {named}"
    if found.cards:
        spans = ", ".join(f"{clock(each.from_ms)}–{clock(each.to_ms)}" for each in found.cards)
        yield f"{say('label', 'cards', language)}: {spans}"


def _short(name: str) -> str:
    plain = "".join(letter if letter.isprintable() else "?" for letter in name)
    return plain if len(plain) <= _LONGEST_NAME else f"…{plain[1 - _LONGEST_NAME :]}"


@cache
def _texts() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    file = resources.files("askfirst") / "texts" / "audit.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))
