"""What the page of a call shows besides the call: its recording, its proof, what may be done.

`known` opens nothing; `opened` reads transcript and peaks, and writes the access down.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from askfirst.errors import AskfirstError, Unverified
from askfirst.ledger import Kind
from askfirst.model import RecordingState, Utterance
from askfirst.server import legalholds, transcribing
from askfirst.server.access import Permission
from askfirst.server.callreader import CallRecord, reaches
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.gaps import gaps_of, pauses_of
from askfirst.server.keeping import void_at
from askfirst.server.legalholds import HoldReason
from askfirst.server.listening import Link
from askfirst.server.peaks import peaks_of
from askfirst.server.purposes import ListeningPurpose, allowed
from askfirst.server.recordingreader import (
    Erased,
    direction,
    erased,
    ledger_size,
    mandatory,
    stretches_of,
)
from askfirst.server.restrictions import is_restricted
from askfirst.server.sharing import Share, Sharing
from askfirst.server.transcribing import Transcribing
from askfirst.web import calltranscript, recordingview, standingwords
from askfirst.web.api_calls import address_of
from askfirst.web.api_recordings import note
from askfirst.web.callanalysis import Quotations, quotations
from askfirst.web.calltranscript import Draft, Show, Words
from askfirst.web.recordingview import Hearable, Legend, Row, Seen
from askfirst.web.visit import Visit

log = logging.getLogger(__name__)

CHECKED_AT_ONCE = 5_000
"""Entries of a ledger that is checked whenever a call is looked at; a longer one on request."""


@dataclass(frozen=True, slots=True)
class LedgerState:
    """Where a call stands in the ledger. `holds` None: not checked now; `fault` says what broke."""

    count: int
    first: int | None
    last: int | None
    size: int
    holds: bool | None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a call's recording without opening it, and what the person may do."""

    hearables: Sequence[Hearable]
    on_file: Sequence[tuple[str, str, str]]
    erased: Erased | None
    erased_because: str
    void_at: datetime | None
    duty: str
    hold: HoldReason | None
    ledger: LedgerState
    purposes: Sequence[str]
    shares: Sequence[Share]
    may_share: bool
    is_restricted: bool
    now: datetime
    wants_reason: bool
    may_listen: bool
    may_export: bool
    may_hold: bool
    may_erase: bool
    may_check: bool
    transcribing: Transcribing | None
    may_order: bool


@dataclass(frozen=True, slots=True)
class Listened:
    """An opened recording: the address of its sound, and what is seen beside it."""

    audio: str
    purpose: str
    picture: Mapping[str, object] | None
    talk: Sequence[tuple[str, int]]
    legend: Sequence[Legend]
    words: Words
    rows: Sequence[Row]
    quoted: Quotations
    ours: str
    theirs: str
    reason: str


def known(visit: Visit, record: CallRecord, *, checks_ledger: bool) -> Known:
    """Everything that the page shows without opening the recording."""
    store, line = visit.site.store, record.line
    entries = store.ledger.entries(line.id)
    seen = _seen(visit, record, entries)
    may_hold = line.recording is not None and _may(visit, Permission.RECORDINGS_HOLD, line.id)
    hold = legalholds.newest_reason(store, line.recording) if may_hold and line.recording else None
    with reading(store.engine) as connection:
        gone = erased(connection, line.recording) if line.recording else None
        duty = mandatory(connection, line.recording) if line.recording else None
        size = ledger_size(connection)
        told = allowed(connection, visit.who.person, line.recording) if line.recording else ()
        restricted = bool(line.recording) and is_restricted(connection, line.recording or "")
    heard = transcribing.of_recording(store, line.recording) if line.recording else None
    may_export = _may(visit, Permission.RECORDINGS_EXPORT, line.id)
    sharing = Sharing(store, visit.site.listening)
    may_check = visit.may(Permission.LEDGER_READ)
    checks = size <= CHECKED_AT_ONCE or (checks_ledger and may_check)
    return Known(
        hearables=recordingview.hearables(visit, record, seen),
        on_file=standingwords.on_file(entry for _, entry in entries),
        erased=gone,
        erased_because=visit.say(recordingview.ERASURES.get(gone.reason, "")) if gone else "",
        void_at=void_at(visit.account, gone.at) if gone and gone.at else None,
        duty=visit.say(recordingview.DUTIES.get(duty, "")) if duty else "",
        hold=hold if hold is not None and hold.is_held == line.legal_hold else None,
        ledger=_ledger(visit, [position for position, _ in entries], size, checks=checks),
        purposes=[each.value for each in told],
        shares=sharing.of_recording(line.recording) if may_export and line.recording else (),
        is_restricted=restricted,
        may_share=bool(may_export and line.recording and sharing.is_on(line.recording)),
        now=utc_now(),
        wants_reason=bool(line.recording)
        and visit.site.listening.wants_reason(visit.who.person, line.recording or ""),
        may_listen=_may(visit, Permission.RECORDINGS_LISTEN, line.id),
        may_export=may_export,
        may_hold=may_hold,
        may_erase=_may(visit, Permission.ERASURE_MANAGE, line.id),
        may_check=may_check,
        transcribing=heard,
        may_order=bool(heard and heard.may_order)
        and _may(visit, Permission.TRANSCRIPTS_WRITE, line.id),
    )


def opened(
    visit: Visit,
    record: CallRecord,
    link: Link,
    purpose: ListeningPurpose,
    reason: str = "",
    show: Show = Show.WORDS,
    draft: Draft | None = None,
    original: Sequence[Utterance] | None = None,
) -> Listened | None:
    """The player and the transcript of a recording that is ready, None for any other.

    The access is in the ledger before anything is given. The sound is not opened here. `purpose`
    and `reason` are what the link was made for; `draft` is what was typed and not kept; `original`
    are its words with nothing hidden, for a link that opens the original sound.
    """
    line = record.line
    if line.recording is None or line.recording_state != RecordingState.READY.value:
        return None
    store = visit.site.store
    if original is None:  # who opens the original has been entered with it
        note(visit, Kind.ACCESS_READ, line.id, line.recording, purpose.value, link.id)
    seen = _seen(visit, record, store.ledger.entries(line.id))
    if original is None:
        words = calltranscript.words(visit, line.id, line.recording, show, draft)
    else:
        words = calltranscript.as_said(original)
    both = recordingview.lanes(visit, record, seen)
    try:
        peaks = peaks_of(store, line.recording)
    except AskfirstError as error:  # what can be heard is heard without a picture of it
        log.warning("peaks.wait recording=%s error=%s", line.recording, type(error).__name__)
        peaks = None
    return Listened(
        audio=address_of(line.recording, link),
        purpose=purpose.value,
        picture=None if peaks is None else recordingview.picture(visit, record, seen, peaks),
        talk=() if peaks is None else recordingview.talk(visit, record, seen, peaks),
        legend=recordingview.legend(visit, record, seen),
        words=words,
        rows=recordingview.rows(visit, record, seen, words.lines),
        quoted=quotations(visit, record, [each.said for each in words.lines]),
        ours=both[seen.own],
        theirs=both[1 - seen.own],
        reason=reason,
    )


def _seen(visit: Visit, record: CallRecord, entries: Sequence[tuple[int, Any]]) -> Seen:
    line = record.line
    with reading(visit.site.store.engine) as connection:
        stretches = stretches_of(connection, line.recording) if line.recording else []
        own = 0 if direction(connection, line.id) == "outbound" else 1
    times = [each["at_ms"] for each in record.timeline]
    end_ms = max([*times, *(each.to_ms for each in stretches)], default=0)
    gaps = gaps_of(stretches, record.timeline, pauses_of(entries), end_ms)
    return Seen(stretches, gaps, own, end_ms)


def _may(visit: Visit, permission: Permission, call: str) -> bool:
    with reading(visit.site.store.engine) as connection:
        return reaches(connection, visit.who.person, permission, call)


def _ledger(visit: Visit, positions: Sequence[int], size: int, *, checks: bool) -> LedgerState:
    first, last = (positions[0], positions[-1]) if positions else (None, None)
    holds, fault = None, ""
    if checks:
        try:
            visit.site.store.ledger.verify()
            holds = True
        except Unverified as error:
            holds, fault = False, visit.told(error)
    return LedgerState(len(positions), first, last, size, holds, fault)
