"""The words of a recording as they are kept: encrypted, one document for each transcript.

What the recogniser wrote is never changed: evidence, certificate and notice check refer to it.
What people corrected or brought stands beside it in numbered revisions, each of them whole.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from askfirst.model import Utterance, Word
from askfirst.server import redactions
from askfirst.server.database import assets, reading
from askfirst.server.playback import Playback
from askfirst.server.store import Store

MACHINE = "transcript"
"""The kind under which both sides' words are kept as the recogniser wrote them."""

OWN = "own-transcript"
"""The kind under which our own side's words alone are kept."""

_REVISED = "words-"
"""Before its number, the kind under which a revision is kept."""


class Origin(StrEnum):
    """Where the words of a revision come from; `machine` is the machine text taken up again."""

    MACHINE = "machine"
    CORRECTED = "corrected"
    IMPORTED = "imported"


@dataclass(frozen=True, slots=True)
class Revision:
    """The words of a recording as somebody left them; number 0 is the machine text.

    `base` is the revision (0: the machine text) whose lines were corrected, itself where none was:
    line for line it has the same times and speakers. `at` is UTC; `person` and `at` are None for
    what the recogniser wrote.
    """

    number: int
    origin: Origin
    said: Sequence[Utterance]
    base: int
    person: str | None = None
    at: datetime | None = None


def current(store: Store, recording: str) -> list[Utterance] | None:
    """The words of a recording as they stand now, redacted, in order; None where there are none.

    Raises KeyUnreadable after an erasure, Unverified where the file was changed.
    """
    found = newest(store, recording)
    return None if found is None else list(found.said)


def machine(store: Store, recording: str) -> list[Utterance] | None:
    """The words as the recogniser wrote them, redacted; raises as `current`."""
    found = revision(store, recording, 0)
    return None if found is None else list(found.said)


def newest(store: Store, recording: str) -> Revision | None:
    """The revision that stands now, redacted; None without words. Raises as `current`."""
    return _redacted(store, recording, newest_original(store, recording))


def revision(store: Store, recording: str, number: int) -> Revision | None:
    """A revision by its number, redacted; None where there is none. Raises as `current`."""
    return _redacted(store, recording, original(store, recording, number))


def newest_original(store: Store, recording: str) -> Revision | None:
    """The revision that stands now as it was said, for correcting it and for whoever may open
    originals. Raises as `current`.
    """
    with reading(store.engine) as connection:
        number = newest_number(connection, recording)
    return original(store, recording, number)


def original(store: Store, recording: str, number: int) -> Revision | None:
    """A revision as it was said, for the same. Raises as `current`."""
    kept = Playback(store).asset(recording, kind_of(number))
    if kept is None:
        return None
    if number == 0:
        return Revision(0, Origin.MACHINE, from_bytes(kept), 0)
    found = json.loads(kept)
    return Revision(
        number,
        Origin(found["origin"]),
        _read(found["utterances"]),
        found["base"],
        found["person"],
        datetime.fromisoformat(found["at"]),
    )


def originals(store: Store, recording: str) -> list[Sequence[Utterance]]:
    """Every version of the words as it was said, for redacting the sound. Raises as `current`."""
    with reading(store.engine) as connection:
        newest_ = newest_number(connection, recording)
    found = [original(store, recording, number) for number in range(newest_ + 1)]
    return [each.said for each in found if each is not None]


def newest_number(connection: sa.Connection, recording: str) -> int:
    """The number of the revision that stands now, 0 where nothing was corrected or brought."""
    kinds = connection.execute(
        sa.select(assets.c.kind).where(
            assets.c.recording == recording, assets.c.kind.startswith(_REVISED, autoescape=True)
        )
    ).scalars()
    return max((int(kind.removeprefix(_REVISED)) for kind in kinds), default=0)


def kind_of(number: int) -> str:
    """The kind under which a revision is kept."""
    return MACHINE if number == 0 else f"{_REVISED}{number}"


def lines_of(store: Store, recording: str) -> list[dict[str, Any]] | None:
    """What was said as plain lines for a copy, with `machine_text` where that is another one.

    None where there are no words. Raises as `current`.
    """
    found = newest(store, recording)
    if found is None:
        return None
    base = revision(store, recording, found.base) or found
    return [
        line if line["text"] == before.text else {**line, "machine_text": before.text}
        for line, before in zip(plain(found.said), base.said, strict=True)
    ]


def plain(said: Sequence[Utterance]) -> list[dict[str, Any]]:
    """Utterances as plain lines, without single words."""
    return [
        {
            "speaker": item.speaker,
            "start_ms": item.start_ms,
            "end_ms": item.end_ms,
            "text": item.text,
        }
        for item in said
    ]


def to_bytes(said: Sequence[Utterance]) -> bytes:
    """Utterances as they are stored."""
    return json.dumps(_written(said), ensure_ascii=False).encode()


def from_bytes(data: bytes) -> list[Utterance]:
    """Utterances out of a stored transcript."""
    return _read(json.loads(data))


def revised_bytes(
    said: Sequence[Utterance], origin: Origin, base: int, person: str, at: datetime
) -> bytes:
    """A revision as it is stored."""
    document = {
        "origin": origin.value,
        "base": base,
        "person": person,
        "at": at.isoformat(),
        "utterances": _written(said),
    }
    return json.dumps(document, ensure_ascii=False).encode()


def _redacted(store: Store, recording: str, found: Revision | None) -> Revision | None:
    """A revision as people and learners may have it."""
    if found is None:
        return None
    return replace(found, said=redactions.shown(store, recording, found.said))


def _written(said: Sequence[Utterance]) -> list[dict[str, Any]]:
    return [
        {
            "speaker": item.speaker,
            "start_ms": item.start_ms,
            "end_ms": item.end_ms,
            "text": item.text,
            "words": [
                [word.text, word.start_ms, word.end_ms, round(word.confidence, 3)]
                for word in item.words
            ],
        }
        for item in said
    ]


def _read(items: Sequence[dict[str, Any]]) -> list[Utterance]:
    return [
        Utterance(
            item["speaker"],
            item["start_ms"],
            item["end_ms"],
            item["text"],
            tuple(Word(*word) for word in item["words"]),
        )
        for item in items
    ]
