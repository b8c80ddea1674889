"""What people are given of a recording: the one place that chooses between original and redacted.

Words are redacted whenever they are read, so every version of them is, with the finder of today.
Sound is redacted once beside the original (`redacting`); while that is not done the original is
given to nobody who may not open originals.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from askfirst.errors import NotFound, Refused
from askfirst.model import Utterance
from askfirst.redaction import CARDS, FindingKind, redacted
from askfirst.server.account import Account, account
from askfirst.server.database import assets, calls, reading, recordings
from askfirst.server.redactiontables import redactions
from askfirst.server.store import Store

ORIGINAL, REDACTED = "audio", "redacted-audio"
"""The kinds of assets that sound is kept under."""

WORDS = ("transcript", "words-")
"""How the kinds of assets begin that hold both sides' words."""


class Result(StrEnum):
    """How looking for something to redact ended.

    `unheard`: the recording must not be transcribed, so that there are no words to look at;
    `unwanted`: the account wants nothing redacted.
    """

    CLEAN = "clean"
    REDACTED = "redacted"
    UNHEARD = "unheard"
    UNWANTED = "unwanted"


def wanted(settings: Account) -> frozenset[FindingKind]:
    """What an account wants redacted."""
    kinds: set[FindingKind] = set()
    if settings.redacts_cards:
        kinds |= CARDS
    if settings.redacts_ids:
        kinds.add(FindingKind.NATIONAL_ID)
    if settings.redacts_emails:
        kinds.add(FindingKind.EMAIL)
    return frozenset(kinds)


def sound(connection: sa.Connection, recording: str) -> str:
    """Under which kind of asset a recording is given to people.

    Raises Refused while it is not known what is to be silent in it, NotFound where there is none.
    """
    found = result(connection, recording)
    if found is None:
        raise Refused(
            f"recording {recording} is being looked through for card numbers and the like; it can "
            "be heard when that is done"
        )
    return REDACTED if found is Result.REDACTED else ORIGINAL


def result(connection: sa.Connection, recording: str) -> Result | None:
    """How looking ended, for the sound as it is and all that is wanted now; None: not done."""
    kinds = wanted(account(connection))
    if not kinds:
        return Result.UNWANTED
    row = row_of(connection, recording)
    if row is None or row.audio != audio_of(connection, recording) or not kinds <= set(row.kinds):
        return None
    return Result(row.result)


def row_of(connection: sa.Connection, recording: str) -> Any:
    """What was written down of a recording, None where nothing was."""
    query = sa.select(redactions).where(redactions.c.recording == recording)
    return connection.execute(query).one_or_none()


def is_current(connection: sa.Connection, recording: str, version: int) -> bool:
    """Whether nothing is to be looked for again: same finder, same words, same sound."""
    kinds = wanted(account(connection))
    row = row_of(connection, recording)
    return (
        row is not None
        and row.version == version
        and set(row.kinds) == kinds
        and row.audio == audio_of(connection, recording)
        and row.words == words_digest(connection, recording)
    )


def audio_of(connection: sa.Connection, recording: str) -> str:
    """The id of the original sound. Raises NotFound where there is none."""
    found = connection.execute(
        sa.select(assets.c.id).where(assets.c.recording == recording, assets.c.kind == ORIGINAL)
    ).scalar()
    if found is None:
        raise NotFound(f"recording {recording} has no {ORIGINAL}")
    return str(found)


def words_digest(connection: sa.Connection, recording: str) -> str:
    """A digest of which transcripts there are of a recording."""
    ids = connection.execute(
        sa.select(assets.c.id).where(
            assets.c.recording == recording,
            sa.or_(*(assets.c.kind.startswith(each, autoescape=True) for each in WORDS)),
        )
    ).scalars()
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def shown(store: Store, recording: str, said: Sequence[Utterance]) -> list[Utterance]:
    """Words of a recording, of whatever version, as people and learners may have them."""
    with reading(store.engine) as connection:
        kinds = wanted(account(connection))
        language = connection.execute(
            sa.select(calls.c.language).join(recordings).where(recordings.c.id == recording)
        ).scalar_one()
    return redacted(said, language, kinds) if kinds else list(said)
