"""Recordings that an older detector checked are checked again, some each hour.

A worse verdict locks what rests on the agent's word until somebody has decided. A better one may
raise the proof of what is ready; what is locked stays locked, and its item shows the new verdict.
The old verdicts stay.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from askfirst import hearing
from askfirst.callcheck import CallCheck
from askfirst.errors import AskfirstError
from askfirst.model import Proof, RecordingState, Verdict
from askfirst.rules import Rulebook
from askfirst.server import noticechecks, transcripts
from askfirst.server.database import assets, calls, erasures, reading, recordings, transaction
from askfirst.server.noticetables import notice_checks
from askfirst.server.queue import Finding, Reason, notice_window, raise_item
from askfirst.server.queuetables import queue_items
from askfirst.server.recordingreader import stretches_of
from askfirst.server.restrictions import RESTRICTED
from askfirst.server.store import Store

log = logging.getLogger(__name__)

AT_ONCE = 200
"""Recordings that are checked again in one run."""

_STATES = (RecordingState.READY.value, RecordingState.QUARANTINED.value)


def recheck(store: Store, rules: Rulebook, at: datetime) -> int:
    """Check again what no detector of today has checked; says how many items are new.

    What cannot be read is left, and tried again next time.
    """
    raised = tried = 0
    for recording in _due(store):
        if tried == AT_ONCE:
            break
        try:
            raised += check_again(store, rules, recording, at)
            tried += 1
        except AskfirstError as error:
            log.warning("recheck.waits recording=%s error=%s", recording, type(error).__name__)
    return raised


def check_again(store: Store, rules: Rulebook, recording: str, at: datetime) -> int:
    """Check one recording again and keep the verdict; says how many items are new.

    Raises KeyUnreadable and Unverified where its words cannot be read.
    """
    said = noticechecks.words_of(store, recording)
    if said is None:
        return 0
    with transaction(store.engine) as connection:
        row = noticechecks.call_of(connection, recording)
        if row.recording_state not in _STATES:
            return 0
        found = noticechecks.checked(row, said, rules)
        findings = [*noticechecks.objected(connection, row.id, recording, found)]
        if row.recording_state == RecordingState.READY.value:
            findings += _settled(store, connection, row, recording, found)
        proof = connection.execute(
            sa.select(calls.c.proof).where(calls.c.id == row.id)
        ).scalar_one()
        noticechecks.keep(store, connection, row, recording, found, proof, at)
        return sum(raise_item(store, connection, each, at) is not None for each in findings)


def _settled(
    store: Store, connection: sa.Connection, row: Any, recording: str, found: CallCheck
) -> list[Finding]:
    """Write down what a new verdict means for the call of a recording that is ready.

    What a person has decided about its notice stays, and so does the proof of one that was cut.
    """
    if _is_decided(connection, recording):
        return []
    by_word = noticechecks.is_by_word(store, row.id, recording)
    doubts = found.verdict in noticechecks.DOUBTS
    proof = int(row.proof)
    if doubts and proof == Proof.NOTICE_HEARD:
        proof = int(Proof.AGENT_WORD)
    elif found.verdict is Verdict.HEARD and proof == Proof.AGENT_WORD:
        proof = int(Proof.NOTICE_HEARD)
    connection.execute(
        calls.update()
        .where(calls.c.id == row.id)
        .values(verdict=found.verdict.value, verdict_at_ms=found.at_ms, proof=proof)
    )
    if not (doubts and by_word):
        return [*noticechecks.not_shown(connection, row, recording, found)]
    from_ms, to_ms = notice_window(stretches_of(connection, recording))
    return [Finding(Reason.NOT_HEARD, row.id, recording, from_ms=from_ms, to_ms=to_ms)]


def _is_decided(connection: sa.Connection, recording: str) -> bool:
    """Whether somebody has decided about its notice, or cut away what may have held it."""
    about = sa.or_(
        queue_items.c.reason == Reason.NOT_HEARD.value, queue_items.c.decision == "keep-from"
    )
    query = sa.select(queue_items.c.id).where(queue_items.c.recording == recording, about)
    return connection.execute(query).first() is not None


def _due(store: Store) -> list[str]:
    """Recordings with words that an older detector checked, or none, and that do not go."""
    with_words = sa.select(assets.c.recording).where(
        assets.c.kind.in_([transcripts.MACHINE, transcripts.OWN])
    )
    of_today = sa.select(notice_checks.c.recording).where(
        notice_checks.c.detector >= hearing.VERSION
    )
    query = (
        sa.select(recordings.c.id)
        .join(calls)
        .where(
            calls.c.ended_at.is_not(None),
            recordings.c.state.in_(_STATES),
            recordings.c.failure.is_(None),
            recordings.c.id.not_in(RESTRICTED),
            recordings.c.id.not_in(sa.select(erasures.c.recording)),
            recordings.c.id.not_in(of_today),
            recordings.c.id.in_(with_words),
        )
        .order_by(recordings.c.id)
    )
    with reading(store.engine) as connection:
        return list(connection.execute(query).scalars())
