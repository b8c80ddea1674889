"""Makes the copy of a recording in which card numbers and the like are silent, once and again.

The copy stands beside the original, under a key of its own, and goes with it. A crash leaves the
recording as it was: not given to anybody until it is looked through. Safe to repeat.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from askfirst.audio.container import encode_ogg_opus
from askfirst.errors import AskfirstError
from askfirst.ledger import Kind
from askfirst.model import SAMPLE_RATE_HZ, Utterance
from askfirst.redaction import VERSION, Finding, FindingKind, find
from askfirst.server import cutting, redactions, transcripts
from askfirst.server.account import account
from askfirst.server.database import assets, calls, reading, recordings, transaction
from askfirst.server.playback import Playback
from askfirst.server.queuetables import cut_pieces
from askfirst.server.redactions import REDACTED, Result
from askfirst.server.redactiontables import redactions as table
from askfirst.server.restrictions import OPEN
from askfirst.server.sealing import put_beside
from askfirst.server.store import Store
from askfirst.spoken import Span, merged, total_ms

log = logging.getLogger(__name__)

ORDER = "redact"
"""The kind of an order to look through every recording where that is due."""

_SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000


def redact_call(store: Store, call: str, at: datetime) -> int:
    """Look through the recordings of a call where that is due; says how many it was."""
    return _redact(store, recordings.c.call == call, at)


def redact_every(store: Store, at: datetime) -> int:
    """Look through every recording where that is due: a newer finder, other words or wishes.

    One that fails is logged and stays due.
    """
    with reading(store.engine) as connection:
        every = _due(connection, sa.true())
    done = 0
    for recording in every:
        try:
            redact(store, recording, at)
            done += 1
        except AskfirstError as error:
            log.error("redacting.waits recording=%s error=%s", recording, type(error).__name__)
    return done


def _redact(store: Store, which: sa.ColumnElement[bool], at: datetime) -> int:
    with reading(store.engine) as connection:
        due = _due(connection, which)
    for recording in due:
        redact(store, recording, at)
    return len(due)


def _due(connection: sa.Connection, which: sa.ColumnElement[bool]) -> list[str]:
    if not redactions.wanted(account(connection)):
        return []
    query = (
        sa.select(recordings.c.id)
        .join(assets, (assets.c.recording == recordings.c.id) & (assets.c.kind == "audio"))
        .where(which, OPEN)
        .order_by(recordings.c.id)
    )
    return [
        each
        for each in connection.execute(query).scalars()
        if not redactions.is_current(connection, each, VERSION)
    ]


def redact(store: Store, recording: str, at: datetime) -> Result | None:
    """Look through a recording that is ready, and make its redacted sound where that is needed.

    None where its words are still to come, or it was changed meanwhile: nothing is kept then.
    Raises KeyUnreadable, Unverified or Unavailable where something does not open.
    """
    with reading(store.engine) as connection:
        row = connection.execute(
            sa.select(
                recordings.c.call, recordings.c.may_transcribe, calls.c.direction, calls.c.language
            )
            .join(calls)
            .where(recordings.c.id == recording)
        ).one()
        kinds = redactions.wanted(account(connection))
        source = redactions.audio_of(connection, recording)
        words = redactions.words_digest(connection, recording)
    if not kinds:
        return Result.UNWANTED
    versions = transcripts.originals(store, recording)
    if not versions and row.may_transcribe:
        return None
    findings = [each for said in versions for each in _found(said, row.language, kinds)]
    made: dict[str, object] | None = None
    muted = merged(each.span for each in findings)
    if muted:
        made = put_beside(store, recording, REDACTED, _without(store, recording, muted))
    result = Result.REDACTED if muted else Result.CLEAN if versions else Result.UNHEARD
    counts = Counter(each.kind.value for each in findings)
    values: dict[str, Any] = {
        "result": result.value,
        "version": VERSION,
        "kinds": sorted(each.value for each in kinds),
        "audio": source,
        "words": words,
        "found": dict(sorted(counts.items())),
        "muted_ms": total_ms(muted),
        "made_at": at,
    }
    with transaction(store.engine) as connection:
        still = connection.execute(
            sa.select(assets.c.id)
            .join(recordings)
            .where(recordings.c.id == recording, assets.c.id == source, OPEN)
        ).one_or_none()
        if still is not None:
            _put_in_place(connection, recording, values, made, at)
            if made is not None:
                _note(store, connection, recording, row.call, values, made, at)
    if still is None:
        if made is not None:
            store.destroy_object(str(made["id"]))
        return None
    cutting.carry_out(store)
    return result


def _found(
    said: Sequence[Utterance], language: str, kinds: frozenset[FindingKind]
) -> list[Finding]:
    return [each for each in find(said, language) if each.kind in kinds]


def _without(store: Store, recording: str, muted: Sequence[Span]) -> bytes:
    """The sound with silence on both sides in these spans: what one says the other may echo."""
    playback = Playback(store)
    samples: NDArray[np.int16] = playback.for_cutting(recording).copy()
    for file_ms, from_ms, to_ms in playback.call_time(recording):
        for span in muted:
            first, last = max(span.from_ms, from_ms), min(span.to_ms, to_ms)
            if first < last:
                begin = (file_ms + first - from_ms) * _SAMPLES_PER_MS
                end = (file_ms + last - from_ms) * _SAMPLES_PER_MS
                samples[:, begin:end] = 0
    return encode_ogg_opus(samples)


def _put_in_place(
    connection: sa.Connection,
    recording: str,
    values: Mapping[str, Any],
    made: dict[str, object] | None,
    at: datetime,
) -> None:
    """Let a new copy stand in place of the one before, which is destroyed afterwards."""
    old = (assets.c.recording == recording) & (assets.c.kind == REDACTED)
    for identity in connection.execute(sa.select(assets.c.id).where(old)).scalars().all():
        connection.execute(cut_pieces.insert().values(id=identity, recording=recording))
    connection.execute(assets.delete().where(old))
    if made is not None:
        connection.execute(assets.insert().values(**made, created_at=at))
    mine = table.c.recording == recording
    if connection.execute(table.update().where(mine).values(**values)).rowcount == 0:
        connection.execute(table.insert().values(recording=recording, **values))


def _note(
    store: Store,
    connection: sa.Connection,
    recording: str,
    call: str,
    values: Mapping[str, Any],
    made: Mapping[str, object],
    at: datetime,
) -> None:
    store.ledger.append(
        connection,
        Kind.RECORDING_REDACTED,
        at,
        call=call,
        recording=recording,
        data={
            "kinds": sorted(values["found"]),
            "count": sum(values["found"].values()),
            "muted_ms": values["muted_ms"],
            "finder": VERSION,
            "sha256": f"sha256:{made['sha256']}",
        },
    )
