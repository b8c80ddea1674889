"""Calls and their recordings over HTTP: lists, one call, links, audio in parts, transcripts."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from askfirst.errors import NotFound, Refused
from askfirst.ledger import Kind, timestamp
from askfirst.model import OutcomeCode
from askfirst.server import transcripts
from askfirst.server.access import Permission
from askfirst.server.callreader import (
    CallLine,
    CallRecord,
    Wanted,
    call_lines,
    call_of,
    call_record,
)
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.listening import Link
from askfirst.server.purposes import ListeningPurpose
from askfirst.server.refusals import Why
from askfirst.server.restrictions import ensure_open
from askfirst.web.bodies import Body
from askfirst.web.ranges import ranged
from askfirst.web.visit import Visit, permitted

router = APIRouter(tags=["calls"])

Reader = Annotated[Visit, Depends(permitted(Permission.CALLS_READ))]
Listener = Annotated[Visit, Depends(permitted(Permission.RECORDINGS_LISTEN))]


class WantedLink(Body):
    """What a link is for, for how many seconds it holds, and the reason where one is wanted."""

    purpose: ListeningPurpose
    seconds: int = 900
    reason: str = ""


@router.get("/calls")
def list_calls(
    visit: Reader,
    outcome: OutcomeCode | None = None,
    agent: str | None = None,
    recorded: bool | None = None,
    before: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, object]:
    """The newest calls that you may read; `next` is the `before` of the next page."""
    wanted = Wanted(outcome, agent, recorded, before, limit)
    with reading(visit.site.store.engine) as connection:
        found = call_lines(connection, visit.who.person, wanted)
    following = found[-1].id if len(found) == limit else None
    return {"calls": [_line(each) for each in found], "next": following}


@router.get("/calls/{call}")
def one_call(visit: Reader, call: str, found: bool = False) -> dict[str, object]:
    """One call: decision, timeline, consents, recording, and who has opened it.

    `found` says that it was a hit of a search, which is written down as an access.
    """
    if found:
        note_found(visit, call)
    return _record(found_call(visit, call))


@router.get("/recordings/{recording}")
def one_recording(visit: Reader, recording: str) -> dict[str, object]:
    """One recording, with its state and when it will be erased."""
    with reading(visit.site.store.engine) as connection:
        call = call_of(connection, recording)
    line = found_call(visit, call).line
    if line.recording != recording:
        raise NotFound(f"recording {recording} was replaced by {line.recording}")
    return {"call": call, **(_recording(line) or {})}


@router.post("/recordings/{recording}/links", status_code=201)
def make_link(visit: Listener, recording: str, wanted: WantedLink) -> dict[str, object]:
    """A link to the audio, for this session and for a while."""
    # More than any calendar holds is refused as what is merely too long.
    lasts = timedelta(seconds=max(0, min(wanted.seconds, 100_000)))
    made = linked(visit, recording, wanted.purpose, lasts, wanted.reason)
    return {
        "id": made.id,
        "url": address_of(recording, made),
        "expires_at": timestamp(made.expires_at),
    }


@router.delete("/recordings/{recording}/links/{link}", status_code=204)
def revoke_link(visit: Listener, recording: str, link: str) -> None:
    """Let a link open nothing any more."""
    visit.site.listening.revoke(visit.who.person, recording, link, utc_now())


@router.get("/recordings/{recording}/audio")
def audio(visit: Listener, request: Request, recording: str, link: str = "") -> Response:
    """The recording as Ogg/Opus, whole or the part that `Range` asks for."""
    sound = visit.site.listening.sound(
        visit.who.person, visit.session or "", recording, link, utc_now()
    )
    return ranged(sound.part, sound.size, request.headers.get("range"), "audio/ogg")


@router.get("/recordings/{recording}/transcript")
def transcript(visit: Listener, recording: str) -> dict[str, object]:
    """What was said, in order; reading it is written down as an access."""
    return {"recording": recording, "utterances": read_transcript(visit, recording)}


def found_call(
    visit: Visit, call: str, permission: Permission = Permission.CALLS_READ
) -> CallRecord:
    """A call that the visit's person reaches with a permission.

    Raises NotFound, and Refused after having written the attempt down.
    """
    store, person = visit.site.store, visit.who.person
    try:
        with reading(store.engine) as connection:
            return call_record(store, connection, person, call, permission)
    except Refused:
        visit.site.listening.refusals.note(person.id, call, Why.NO_RIGHT, utc_now())
        raise


def note_found(visit: Visit, call: str) -> None:
    """Write down that the visit's person opens a call that a search has found. Raises Refused."""
    store, line = visit.site.store, found_call(visit, call).line
    with transaction(store.engine) as connection:
        data = {"person": visit.who.id}
        store.ledger.append(
            connection,
            Kind.ACCESS_FOUND,
            utc_now(),
            call=line.id,
            recording=line.recording,
            data=data,
        )


def linked(
    visit: Visit, recording: str, purpose: ListeningPurpose, lasts: timedelta, reason: str = ""
) -> Link:
    """A link to a recording's audio for this session."""
    return visit.site.listening.link(
        visit.who.person, visit.session or "", recording, purpose, lasts, utc_now(), reason
    )


def address_of(recording: str, link: Link) -> str:
    """The address of a recording's audio by a link."""
    return f"/api/v1/recordings/{recording}/audio?link={link.token}"


def read_transcript(visit: Visit, recording: str) -> list[dict[str, Any]]:
    """Utterances of a recording that is not restricted; the access is in the ledger first."""
    store, person = visit.site.store, visit.who.person
    call = visit.site.listening.reach(person, Permission.RECORDINGS_LISTEN, recording, utc_now())
    with transaction(store.engine) as connection:
        ensure_open(connection, recording, "transcript")
        data = {"person": person.id, "purpose": "transcript"}
        store.ledger.append(
            connection, Kind.ACCESS_READ, utc_now(), call=call, recording=recording, data=data
        )
    return stored_transcript(visit, recording)


def stored_transcript(visit: Visit, recording: str) -> list[dict[str, Any]]:
    """Utterances for an access that is already written down; none where nothing was written."""
    return transcripts.plain(transcripts.current(visit.site.store, recording) or ())


def _line(line: CallLine) -> dict[str, object]:
    return {
        "id": line.id,
        "created_at": timestamp(line.created_at),
        "seconds": line.seconds,
        "provider": line.provider,
        "direction": line.direction,
        "own_number": line.own_number,
        "persona": line.persona,
        "private": line.is_private,
        "agent": line.agent,
        "to": line.number,
        "places": list(line.places),
        "mode": line.mode,
        "outcome": {"code": line.outcome, "reason": line.outcome_reason},
        "proof": line.proof,
        "recording": _recording(line),
    }


def _recording(line: CallLine) -> dict[str, object] | None:
    if line.recording is None:
        return None
    return {
        "id": line.recording,
        "state": line.recording_state,
        "seconds": None if line.duration_ms is None else round(line.duration_ms / 1000, 2),
        "channels": 2,
        "first_contact_audio_ms": line.first_contact_ms,
        "expires_at": None if line.expires_at is None else timestamp(line.expires_at),
        "legal_hold": line.legal_hold,
    }


_SHOWN_OF_CONSENTS = ("id", "party", "kind", "how", "proof", "uses", "standing")


def _record(record: CallRecord) -> dict[str, object]:
    line = record.line
    return {
        **_line(line),
        "decision": record.decision,
        "parties": [
            {"party": each["number_in_call"], "role": each["role"], "places": each["places"]}
            for each in record.parties
        ],
        "timeline": [
            {
                "at": timestamp(each["at"]),
                "call": line.id,
                "state": each["state"],
                "because": each["because"],
                "ledger": each["ledger"],
            }
            for each in record.timeline
        ],
        "consents": [
            {
                **{key: each[key] for key in _SHOWN_OF_CONSENTS},
                "at": timestamp(each["at"]),
                "ledger": each["ledger"],
            }
            for each in record.consents
        ],
        "notice_check": {"verdict": line.verdict or "not-needed", "at_ms": line.verdict_at_ms},
        "access": list(record.opened),
    }
