"""Brings a recording that exists elsewhere into the store, once: audited, encrypted, read again.

What the audit does not show to be allowed is locked until somebody has decided; so is what could
not be listened to. Where something fails in between, nothing of it is kept, and the next try
begins that recording anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from askfirst import auditing, outcome
from askfirst.audio import soundfile
from askfirst.audio.container import decode, encode_ogg_opus
from askfirst.audio.tone import find_key_tones
from askfirst.auditing import Audited, Law
from askfirst.errors import InvalidInput, NotFound, Refused, Unverified
from askfirst.explain import to_json as decision_to_json
from askfirst.ledger import Kind
from askfirst.model import SAMPLE_RATE_HZ, Decision, Form, Proof, RecordingState, Verdict
from askfirst.ports import Recognizer
from askfirst.server import auditrun, importbars, importleft, periods, restrictions, transcribing
from askfirst.server.auditrun import Existing, Reach
from askfirst.server.database import (
    assets,
    calls,
    parties,
    reading,
    recordings,
    segments,
    transaction,
)
from askfirst.server.ids import new_id
from askfirst.server.importbars import Bar
from askfirst.server.importtables import BEGUN, BROUGHT_OVER, DELETED, KEPT, SEGMENT, imports
from askfirst.server.playback import Playback
from askfirst.server.queue import NOTICE_MS, Finding, Reason, raise_item
from askfirst.server.sealing import put_beside
from askfirst.server.store import Store

METADATA_DAYS = 40
"""For so long Twilio still tells of a recording that was deleted there (its documentation)."""

AUDIT = "import-audit"
"""The kind of what is kept with a recording of its audit, the stated basis in it."""

_PER_MS = SAMPLE_RATE_HZ // 1000


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a recording is from: the source, its id there, and that id as the ledger takes it.

    `at` is when the call was (aware); `direction` is inbound or outbound, as seen from us.
    """

    source: str
    ref: str
    entered_as: str
    at: datetime
    direction: str


@dataclass(frozen=True, slots=True)
class Brought:
    """A recording that is kept: `state` is ready or quarantined, `audited` what was found."""

    recording: str
    state: str
    audited: Audited


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one recording: of `outcome` planned, ready, quarantined, refused, known or
    error.

    `asked` is what the law asked. `deletion` is "", deleted, or why it was not. `refused` is why
    it may not come at all.
    """

    ref: str
    call_ref: str | None
    at: datetime
    outcome: str
    decision: Decision | None = None
    asked: str = ""
    brought: Brought | None = None
    recording: str | None = None
    deletion: str = ""
    error: str = ""
    refused: Bar | None = None


@dataclass(frozen=True, slots=True)
class Importer:
    """What recordings are brought over with; `language` of reasons is that of the law."""

    store: Store
    law: Law
    reach: Reach
    recognizer: Recognizer

    def known(self, source: str, ref: str) -> Any | None:
        """What is written of a recording that was brought over before; None for a new one."""
        return brought_before(self.store, source, ref)

    def bring(self, existing: Existing, origin: Origin, at: datetime) -> Brought:
        """Audit a recording and keep it. Raises InvalidInput for what is no whole sound.

        Raises Refused where it was brought before or may not come (`importbars`), Unavailable
        where the disk, a key or the recogniser fails, Unverified where what was kept reads back
        otherwise.
        """
        if self.known(origin.source, origin.ref) is not None:
            raise Refused("this recording was brought over before; there is no second copy")
        with reading(self.store.engine) as connection:
            self._ensure_may_come(connection, existing, origin, at)
        audited = auditrun.audit(existing, self.law, self.reach, self.recognizer)
        if audited.seconds is None or audited.decision is None:
            raise InvalidInput(audited.error or "the sound cannot be read")
        original = existing.path.read_bytes()
        samples = _placed(decode(original, SAMPLE_RATE_HZ)[0], existing, origin)
        is_mixed = soundfile.examine(existing.path).is_mixed
        # What was heard allows these as it allows the recording: the law asks for all of them at
        # once. Of a mix the contact's words are read, so that rests on what was stated, or is not.
        may_read = not is_mixed or self.reach.basis is not None
        sound = encode_ogg_opus(samples)
        call, recording = new_id("call"), new_id("rec")
        self._begin(origin, call, recording, hashlib.sha256(original).hexdigest(), is_mixed, at)
        audio = put_beside(self.store, recording, "audio", sound)
        kept = put_beside(self.store, recording, AUDIT, _told(audited, origin))
        length_ms = samples.shape[1] // _PER_MS
        with transaction(self.store.engine) as connection:
            # Asked again: listening takes long, and somebody may have said no meanwhile.
            self._ensure_may_come(connection, existing, origin, at)
            _write_call(connection, call, existing, origin, audited, length_ms, self.law)
            is_shown = is_in_order(audited)
            connection.execute(
                recordings.insert().values(
                    id=recording,
                    call=call,
                    created_at=origin.at,
                    state=RecordingState.READY.value,
                    purpose=importbars.purpose_of(self.law).value,
                    mandatory=None,
                    may_transcribe=may_read,
                    may_analyse=may_read,
                    is_truncated=False,
                    legal_hold=False,
                    lost_frames=0,
                    duration_ms=length_ms,
                    expires_at=origin.at + self.store.retention,
                )
            )
            for row in (audio, kept):
                connection.execute(assets.insert().values(**row, created_at=at))
            connection.execute(
                segments.insert().values(
                    recording=recording,
                    position=0,
                    kind=SEGMENT,
                    permit=0,
                    from_ms=0,
                    to_ms=length_ms,
                    file_ms=0,
                )
            )
            self._enter(connection, call, recording, origin, audited, audio, length_ms, at)
            if is_shown:
                self.store.ledger.append(
                    connection, Kind.RECORDING_READY, at, call=call, recording=recording
                )
                transcribing.have_heard(connection, call, at, is_spoken=may_read)
            else:
                # Locks it in the same transaction: it is at no time open.
                begin, end = _heard(audited, length_ms)
                finding = Finding(Reason.IMPORTED, call, recording, from_ms=begin, to_ms=end)
                raise_item(self.store, connection, finding, at)
            periods.settle(
                connection, recording, self.law.rules, self.law.policy, self.store.retention
            )
            restrictions.take_in(self.store, connection, call, at)
            connection.execute(
                imports.update()
                .where(_key(origin.source, origin.ref))
                .values(state=KEPT, kept_at=at, kept_sha256=hashlib.sha256(sound).hexdigest())
            )
        self.verify(origin.source, origin.ref, at)
        state = RecordingState.READY if is_shown else RecordingState.QUARANTINED
        return Brought(recording, state.value, audited)

    def verify(self, source: str, ref: str, at: datetime) -> None:
        """Read what was kept again and compare it. Raises Unverified, NotFound, KeyUnreadable."""
        row = self.known(source, ref)
        if row is None:
            raise NotFound("this recording was not brought over; there is nothing to compare")
        sound = Playback(self.store).asset(row.recording, "audio")
        if sound is None or hashlib.sha256(sound).hexdigest() != row.kept_sha256:
            raise Unverified(
                f"recording {row.recording} is not what was brought over (any more); it is deleted "
                "nowhere else"
            )
        decode(sound, SAMPLE_RATE_HZ)
        with transaction(self.store.engine) as connection:
            connection.execute(imports.update().where(_key(source, ref)).values(verified_at=at))

    def ensure_may_delete(self, source: str, ref: str, at: datetime) -> None:
        """Raise unless a recording may be deleted at its source: it is here, and was read again.

        Raises Refused for one that is erased here or was never verified; else as `verify`.
        """
        row = self.known(source, ref)
        if row is None or row.verified_at is None:
            raise Refused("nothing is deleted at its source before ours was verified; import it")
        self.verify(source, ref, at)

    def note_deleted(self, origin: Origin, at: datetime) -> None:
        """Write down that a recording was deleted at its source."""
        with transaction(self.store.engine) as connection:
            row = connection.execute(
                imports.update()
                .where(_key(origin.source, origin.ref), imports.c.state == KEPT)
                .values(state=DELETED, deleted_at=at)
                .returning(imports.c.call, imports.c.recording)
            ).one_or_none()
            if row is not None:
                self.store.ledger.append(
                    connection,
                    Kind.SOURCE_DELETED,
                    at,
                    call=row.call,
                    recording=row.recording,
                    data={"source": origin.source, "ref": origin.entered_as},
                )

    def _ensure_may_come(
        self, connection: sa.Connection, existing: Existing, origin: Origin, at: datetime
    ) -> None:
        found = importbars.bar(self.store, connection, self.law, existing, origin.at, at)
        if found is not None:
            raise Refused(importbars.SAID[found])

    def _begin(
        self,
        origin: Origin,
        call: str,
        recording: str,
        original: str,
        is_mixed: bool,
        at: datetime,
    ) -> None:
        key = _key(origin.source, origin.ref)
        with transaction(self.store.engine) as connection:
            query = sa.select(imports.c.recording).where(key, imports.c.state == BEGUN)
            left = connection.execute(query).scalar()
        if left is not None:
            importleft.drop(self.store, left)
        with transaction(self.store.engine) as connection:
            connection.execute(imports.delete().where(key, imports.c.state == BEGUN))
            connection.execute(
                imports.insert().values(
                    source=origin.source,
                    ref=origin.ref,
                    state=BEGUN,
                    call=call,
                    recording=recording,
                    original_sha256=original,
                    is_mixed=is_mixed,
                    begun_at=at,
                )
            )

    def _enter(
        self,
        connection: sa.Connection,
        call: str,
        recording: str,
        origin: Origin,
        audited: Audited,
        audio: dict[str, object],
        length_ms: int,
        at: datetime,
    ) -> None:
        row = connection.execute(
            sa.select(imports.c.original_sha256).where(_key(origin.source, origin.ref))
        ).one()
        found = audited.findings
        self.store.ledger.append(
            connection,
            Kind.RECORDING_IMPORTED,
            at,
            call=call,
            recording=recording,
            data={
                "source": origin.source,
                "ref": origin.entered_as,
                "original": f"sha256:{row.original_sha256}",
                "sha256": f"sha256:{audio['sha256']}",
                "duration_ms": length_ms,
                "read": list(audited.read),
                "notice": "unread" if found is None else found.check.verdict.value,
                "answer": "none" if found is None else found.answer,
                **({} if audited.decision is None else {"mode": audited.decision.mode.word}),
            },
        )


def brought_before(store: Store, source: str, ref: str) -> Any | None:
    """What is written of a recording that was brought over before; None for a new one."""
    query = sa.select(imports).where(_key(source, ref), imports.c.state != BEGUN)
    with reading(store.engine) as connection:
        return connection.execute(query).one_or_none()


def is_in_order(audited: Audited) -> bool:
    """Whether what was heard shows that recording was allowed: told where that was owed, agreed
    where that was, nobody objected, and no place was named where more is owed."""
    found, decision = audited.findings, audited.decision
    if decision is None or found is None or not audited.is_in_order or found.with_places:
        return False
    if any(each.form is Form.WRITTEN for each in decision.requirements):
        return False
    owes_yes = any(each.form is Form.AGREED for each in decision.requirements)
    return not owes_yes or found.answer == "consent"


def asked(decision: Decision) -> str:
    """What the law asked, in a word: nothing, told, agreed, written or forbidden."""
    if decision.mode.word == "forbid":
        return "forbidden"
    form = max((each.form for each in decision.requirements), default=None)
    return "nothing" if form is None else form.word


def _heard(audited: Audited, length_ms: int) -> tuple[int, int] | tuple[None, None]:
    """What of our own side whoever decides may hear; nothing where both are on one channel."""
    if audited.findings is None or auditing.MIXED in audited.read:
        return None, None
    return 0, min(NOTICE_MS, length_ms)


def _key(source: str, ref: str) -> sa.ColumnElement[bool]:
    return sa.and_(imports.c.source == source, imports.c.ref == ref)


def _placed(samples: NDArray[np.int16], existing: Existing, origin: Origin) -> NDArray[np.int16]:
    """Two channels, the caller's side first, without tones of keys: as our own are sealed."""
    both = np.repeat(samples, 2, axis=0) if len(samples) == 1 else samples[:2].copy()
    own = 1 if existing.is_inbound else 0
    if own != (1 if origin.direction == "inbound" else 0):
        both = both[::-1].copy()
    for channel in both:
        for from_ms, to_ms in find_key_tones(channel, SAMPLE_RATE_HZ):
            channel[from_ms * _PER_MS : to_ms * _PER_MS] = 0
    return both


def _told(audited: Audited, origin: Origin) -> bytes:
    """What is kept of the audit: everything but the words."""
    told = auditing.to_json(replace(audited, file=origin.ref))
    told.pop("transcript")
    noticed = told["notice_check"]
    if isinstance(noticed, dict):
        noticed.pop("words")
    return json.dumps({"source": origin.source, **told}, ensure_ascii=False).encode()


def _write_call(
    connection: sa.Connection,
    call: str,
    existing: Existing,
    origin: Origin,
    audited: Audited,
    length_ms: int,
    law: Law,
) -> None:
    decision, found = audited.decision, audited.findings
    if decision is None:
        raise InvalidInput("a call without a decision cannot be kept; audit it first")
    verdict = None if found is None else found.check.verdict
    settled = outcome.imported(existing.language)
    connection.execute(
        calls.insert().values(
            id=call,
            created_at=origin.at,
            answered_at=origin.at,
            ended_at=origin.at + timedelta(milliseconds=length_ms),
            provider=BROUGHT_OVER,
            direction=origin.direction,
            language=existing.language,
            policy=asdict(law.policy),
            decision=decision_to_json(decision),
            mode=decision.mode.word,
            outcome=settled.code.value,
            outcome_reason=settled.reason,
            proof=int(Proof.NOTICE_HEARD if verdict is Verdict.HEARD else Proof.NONE),
            verdict=None if verdict is None else verdict.value,
            verdict_at_ms=None if found is None else found.check.at_ms,
        )
    )
    rows: Sequence[dict[str, object]] = [
        {
            "call": call,
            "number_in_call": index,
            "role": party.role.value,
            "number": party.number,
            "places": sorted({place.code for place in located.places}),
        }
        for index, (party, located) in enumerate(
            zip(existing.parties, decision.parties, strict=True)
        )
    ]
    connection.execute(parties.insert(), rows)
