"""A call handed on: as a vCon with its consent data, signed if wanted, or as an evidence bundle."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa

from askfirst.errors import NotFound
from askfirst.ledger import Kind, parse_note
from askfirst.model import (
    USES_OF_A_RECORDING,
    Outcome,
    OutcomeCode,
    Proof,
    RecordingState,
    Role,
    Use,
    Utterance,
)
from askfirst.ports import Recognizer
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, consents, parties, reading, recordings
from askfirst.server.ids import new_id
from askfirst.server.playback import Playback
from askfirst.server.request import INBOUND
from askfirst.server.store import Store
from askfirst.server.transcripts import Origin, machine, newest
from askfirst.vcon import (
    PEOPLE,
    Answer,
    Audio,
    CallRecord,
    Grant,
    LawfulBasis,
    LedgerReference,
    PartyConsent,
    PartyRecord,
    SpokenLine,
    Transcript,
    build,
)

_ANSWERS = {
    "refused": Answer.REFUSED,
    "withdrawn": Answer.WITHDRAWN,
    "agreed": Answer.GIVEN,
    "informed": Answer.NOT_REQUIRED,
}


class Source(Protocol):
    """What a call is read from: a node, or the steps of a job."""

    @property
    def store(self) -> Store:
        """Where everything is."""

    @property
    def playback(self) -> Playback:
        """Reads recordings of the store."""

    @property
    def recognizer(self) -> Recognizer:
        """Made the transcripts."""


_PARTIES = {Role.AGENT.value: 0, Role.CONTACT.value: 1}
"""Whose line it is; on a channel with everybody on it nobody's."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What of a recording is in a copy for a person: Ogg/Opus, and the lines of its transcript."""

    recording: str
    body: bytes
    lines: Sequence[Mapping[str, Any]] | None


def vcon_of(
    node: Source,
    call: str,
    *,
    person: str = "system",
    purpose: str = "export",
    link: str | None = None,
) -> dict[str, Any]:
    """The vCon of a settled call. Audio and words are in it only when they may be handed on.

    Taking audio out is an access and stands in the ledger first, with `link` as in
    `Playback.play`. Raises NotFound.
    """
    found = _found(node, call)
    ready = next((r for r in found.recordings if r.state == RecordingState.READY.value), None)
    if ready is None:
        return _built(node, found, None, None)
    body = node.playback.play(
        ready.id, person=person, purpose=purpose, kind=Kind.ACCESS_EXPORTED, link=link
    )
    language = found.row.language
    said, now = machine(node.store, ready.id), newest(node.store, ready.id)
    spoken = None if said is None else _transcript(language, node.recognizer.name, said)
    is_changed = now is not None and now.origin is not Origin.MACHINE
    corrected = _transcript(language, PEOPLE, now.said) if now and is_changed else None
    return _built(node, found, _audio(found, ready, body), spoken, corrected)


def vcon_of_copy(node: Source, call: str, copied: Copied | None) -> dict[str, Any]:
    """The vCon of a settled call as it is in a copy for a person; reads no recording itself.

    Making a copy is no access, each download is. Raises NotFound.
    """
    found = _found(node, call)
    if copied is None:
        return _built(node, found, None, None)
    (recording,) = (each for each in found.recordings if each.id == copied.recording)
    spoken = None
    if copied.lines is not None:
        lines = tuple(
            SpokenLine(
                _PARTIES.get(each["speaker"]),
                each["start_ms"],
                each["end_ms"],
                each.get("machine_text", each["text"]),
            )
            for each in copied.lines
        )
        spoken = Transcript(found.row.language, node.recognizer.name, lines)
    return _built(node, found, _audio(found, recording, copied.body), spoken)


@dataclass(frozen=True, slots=True)
class _Found:
    """The rows of a call."""

    row: Any
    people: Sequence[Any]
    said: Sequence[Any]
    recordings: Sequence[Any]


def _found(node: Source, call: str) -> _Found:
    with reading(node.store.engine) as connection:
        row = connection.execute(sa.select(calls).where(calls.c.id == call)).one_or_none()
        people = connection.execute(
            sa.select(parties).where(parties.c.call == call).order_by(parties.c.number_in_call)
        ).all()
        said = connection.execute(
            sa.select(consents).where(consents.c.call == call).order_by(consents.c.ledger)
        ).all()
        kept = connection.execute(
            sa.select(recordings).where(recordings.c.call == call).order_by(recordings.c.id)
        ).all()
    if row is None or row.ended_at is None:
        raise NotFound(f"no settled call {call}")
    return _Found(row, people, said, kept)


def _built(
    node: Source,
    found: _Found,
    audio: Audio | None,
    spoken: Transcript | None,
    corrected: Transcript | None = None,
) -> dict[str, Any]:
    row = found.row
    started = row.answered_at or row.created_at
    record = CallRecord(
        uuid=_version_8(new_id("ent")),
        created_at=utc_now(),
        start=started,
        duration_ms=int((row.ended_at - started).total_seconds() * 1000),
        parties=tuple(PartyRecord(Role(item.role), item.number) for item in found.people),
        decision=row.decision or {},
        outcome=Outcome(OutcomeCode(row.outcome), row.outcome_reason),
        consents=tuple(
            _consent(node, row, item.number_in_call, found.said)
            for item in found.people
            if item.role == Role.CONTACT.value
        ),
        audio=audio,
        transcript=spoken,
        corrected=corrected,
        originator=1 if row.direction == INBOUND else 0,
    )
    return build(record)


def bundle_of(node: Source, call: str) -> bytes:
    """The evidence bundle of a call, a zip that verifies itself offline. Raises NotFound."""
    return node.store.ledger.bundle(call, utc_now())


def _consent(node: Source, row: Any, party: int, said: Sequence[Any]) -> PartyConsent:
    """What one contact's consent came to: its last word counts."""
    last = next((line for line in reversed(said) if line.party == party), None)
    answer = Answer.NOT_ASKED if last is None else _ANSWERS[last.kind]
    if last is None and row.outcome == OutcomeCode.SILENT.value:
        answer = Answer.SILENT
    if last is None and row.outcome == OutcomeCode.RECORDED.value:
        answer = Answer.NOT_REQUIRED
    granted = answer in (Answer.GIVEN, Answer.NOT_REQUIRED)
    by_consent = answer is not Answer.NOT_REQUIRED
    basis = LawfulBasis.CONSENT if by_consent else LawfulBasis(_basis(row))
    at = row.created_at if last is None else last.at
    uses = USES_OF_A_RECORDING if last is None or not last.uses else map(Use, last.uses)
    heard = row.verdict == "heard" if row.verdict else None
    return PartyConsent(
        party=party,
        basis=basis,
        answer=answer,
        at=at,
        grants=tuple(Grant(use, granted, at) for use in uses),
        how=None if last is None or not granted else last.how,
        proof=Proof(last.proof) if last is not None else Proof.NONE,
        verified=heard,
        ledger=None if last is None else _reference(node, last.ledger),
    )


def _reference(node: Source, position: int) -> LedgerReference:
    proven = node.store.ledger.prove(position, utc_now())
    point = parse_note(proven["checkpoint"])[0]
    return LedgerReference(
        point.origin, position, point.size, point.root.hex(), tuple(proven["proof"])
    )


def _basis(row: Any) -> str:
    return str(row.policy.get("lawful_basis") or LawfulBasis.LEGITIMATE_INTERESTS.value)


def _audio(found: _Found, recording: Any, body: bytes) -> Audio:
    caller = Role.CONTACT if found.row.direction == INBOUND else Role.AGENT
    sides: tuple[list[int], list[int]] = ([], [])  # whoever calls is on channel 1
    for item in found.people:
        sides[0 if item.role == caller.value else 1].append(item.number_in_call)
    return Audio(
        start=found.row.answered_at or found.row.created_at,
        duration_ms=recording.duration_ms,
        channels=(tuple(sides[0]), tuple(sides[1])),
        mediatype="audio/ogg",
        filename=f"{recording.id}.ogg",
        body=body,
    )


def _transcript(language: str, engine: str, said: Sequence[Utterance]) -> Transcript:
    lines = tuple(
        SpokenLine(_PARTIES.get(item.speaker), item.start_ms, item.end_ms, item.text)
        for item in said
    )
    return Transcript(language, engine, lines)


def _version_8(named: str) -> str:
    """A UUID of version 8 (RFC 9562, section 5.8) out of one of our ids."""
    value = int(named.rsplit("_", 1)[1], 16) & ~(0xF << 76) | 0x8 << 76
    return str(uuid.UUID(int=value))
