"""Recordings over HTTP: lists, peaks, exports, legal holds, and who has opened which."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime
from starlette.responses import JSONResponse, Response

from askfirst.errors import Unavailable
from askfirst.ledger import Kind, timestamp
from askfirst.model import RecordingState
from askfirst.server import accounts, holdrelease, legalholds
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.export import bundle_of, vcon_of
from askfirst.server.node import Node
from askfirst.server.peaks import Peaks, peaks_of
from askfirst.server.purposes import ListeningPurpose
from askfirst.server.recordingreader import (
    RecordingLine,
    access_events,
    recording_lines,
    state_of,
    stretches_of,
)
from askfirst.server.restrictions import ensure_open
from askfirst.web.bodies import Before, Body
from askfirst.web.visit import SignedIn, Visit, permitted

router = APIRouter(tags=["recordings"])

Reader = Annotated[Visit, Depends(permitted(Permission.CALLS_READ))]
Listener = Annotated[Visit, Depends(permitted(Permission.RECORDINGS_LISTEN))]
Exporter = Annotated[Visit, Depends(permitted(Permission.RECORDINGS_EXPORT))]
Holder = Annotated[Visit, Depends(permitted(Permission.RECORDINGS_HOLD))]
Limit = Annotated[int, Query(ge=1, le=200)]


class Why(Body):
    """The reason of a legal hold or its release; kept with the recording, never in the ledger.

    `until` is when somebody is to look at the hold again: nothing is released then.
    """

    reason: str
    until: AwareDatetime | None = None


@router.get("/recordings")
def list_recordings(
    visit: Reader,
    state: RecordingState | None = None,
    legal_hold: bool | None = None,
    before: str | None = None,
    limit: Limit = 50,
) -> dict[str, object]:
    """The newest recordings that you may read about; `next` is the `before` of the next page."""
    with reading(visit.site.store.engine) as connection:
        found = recording_lines(
            connection,
            visit.who.person,
            state=state,
            is_held=legal_hold,
            before=before,
            most=limit,
        )
    following = found[-1].id if len(found) == limit else None
    return {"recordings": [_line(each) for each in found], "next": following}


@router.get("/recordings/{recording}/peaks")
def peaks(visit: Listener, recording: str, link: str = "") -> dict[str, object]:
    """What a player draws; reading it is written down as an access, with a link for its purpose."""
    call = ensure_reach(visit, Permission.RECORDINGS_LISTEN, recording)
    purpose = purpose_of(visit, recording, link).value if link else "peaks"
    with reading(visit.site.store.engine) as connection:
        ensure_open(connection, recording, purpose)
    found = read_peaks(visit, call, recording, purpose)
    with reading(visit.site.store.engine) as connection:
        stretches = stretches_of(connection, recording)
    return {
        "duration_ms": found.duration_ms,
        "channels": [list(channel) for channel in found.channels],
        "segments": [
            {
                "file_ms": each.file_ms,
                "from_ms": each.from_ms,
                "to_ms": each.to_ms,
                "kind": each.kind,
            }
            for each in stretches
        ],
        "talk_ms": list(found.talk_ms),
        "silence_ms": found.silence_ms,
    }


@router.get("/recordings/{recording}/vcon")
def vcon(visit: Exporter, recording: str, link: str = "") -> Response:
    """The call as a vCon, by a link; sound and words are in it while the recording is ready."""
    ensure_reach(visit, Permission.RECORDINGS_EXPORT, recording)
    return vcon_answer(visit, recording, purpose_of(visit, recording, link))


@router.get("/recordings/{recording}/bundle")
def bundle(visit: Exporter, recording: str, link: str = "") -> Response:
    """The evidence bundle of the call, by a link: a zip that verifies itself offline."""
    ensure_reach(visit, Permission.RECORDINGS_EXPORT, recording)
    return bundle_answer(visit, recording, purpose_of(visit, recording, link))


@router.put("/recordings/{recording}/hold")
def hold(visit: Holder, recording: str, why: Why) -> dict[str, object]:
    """Keep a recording whatever its time and whatever erasure is asked for."""
    ensure_reach(visit, Permission.RECORDINGS_HOLD, recording)
    legalholds.place(visit.site.store, recording, visit.who.id, why.reason, utc_now(), why.until)
    return {"id": recording, "legal_hold": True}


@router.delete("/recordings/{recording}/hold")
def release(visit: Holder, recording: str, why: Why) -> dict[str, object]:
    """Let a recording go its way again; where a second person is wanted, `proposal` waits."""
    ensure_reach(visit, Permission.RECORDINGS_HOLD, recording)
    proposal = holdrelease.release(visit.site.store, recording, visit.who.id, why.reason, utc_now())
    return {"id": recording, "legal_hold": proposal is not None, "proposal": proposal}


@router.get("/access-events")
def list_accesses(visit: SignedIn, before: Before = None, limit: Limit = 50) -> dict[str, object]:
    """Who opened which recordings, newest first: of your calls, or all with `audit.read`."""
    with reading(visit.site.store.engine) as connection:
        found = access_events(connection, visit.who.person, before=before, most=limit)
        names = accounts.names(connection)
    following = found[-1].position if len(found) == limit else None
    events = [
        {
            "ledger": each.position,
            "at": each.at,
            "kind": each.kind,
            "call": each.call,
            "recording": each.recording,
            "person": each.person,
            "name": names.get(each.person or ""),
            "purpose": each.purpose,
        }
        for each in found
    ]
    return {"events": events, "next": following}


def ensure_reach(visit: Visit, permission: Permission, recording: str) -> str:
    """The call of a recording that a permission reaches. Raises NotFound, Refused."""
    return visit.site.listening.reach(visit.who.person, permission, recording, utc_now())


def purpose_of(visit: Visit, recording: str, link: str) -> ListeningPurpose:
    """What a link of this session was made for. Raises Refused for one that does not hold."""
    return visit.site.listening.purpose(
        visit.who.person, visit.session or "", recording, link, utc_now()
    )


def read_peaks(visit: Visit, call: str, recording: str, purpose: str) -> Peaks:
    """The peaks of a recording; the access is in the ledger before they are given."""
    found = peaks_of(visit.site.store, recording)
    note(visit, Kind.ACCESS_READ, call, recording, purpose)
    return found


def note(
    visit: Visit, kind: Kind, call: str, recording: str, purpose: str, link: str | None = None
) -> None:
    """Write down that the visit's person opened a recording, and by which link."""
    by = {} if link is None else {"link": link}
    store = visit.site.store
    with transaction(store.engine) as connection:
        store.ledger.append(
            connection,
            kind,
            utc_now(),
            call=call,
            recording=recording,
            data={"person": visit.who.id, "purpose": purpose, **by},
        )


def vcon_answer(
    visit: Visit, recording: str, purpose: ListeningPurpose, link: str | None = None
) -> Response:
    """The vCon of a recording's call as a file; the access is in the ledger first.

    `link` here and below is the id under which its reason is kept.
    """
    call, node = ensure_reach(visit, Permission.RECORDINGS_EXPORT, recording), _node(visit)
    with reading(node.store.engine) as connection:
        has_sound = state_of(connection, recording) == RecordingState.READY.value
    if not has_sound:  # where there is sound, taking it out writes the access down
        note(visit, Kind.ACCESS_EXPORTED, call, recording, purpose.value, link)
    document = vcon_of(node, call, person=visit.who.id, purpose=purpose.value, link=link)
    return JSONResponse(document, media_type="application/vcon+json", headers=_file(f"{call}.vcon"))


def bundle_answer(
    visit: Visit, recording: str, purpose: ListeningPurpose, link: str | None = None
) -> Response:
    """The evidence of a recording's call as a zip; the access is in the ledger, and in the zip."""
    call, node = ensure_reach(visit, Permission.RECORDINGS_EXPORT, recording), _node(visit)
    note(visit, Kind.ACCESS_EXPORTED, call, recording, purpose.value, link)
    content = bundle_of(node, call)
    return Response(content, media_type="application/zip", headers=_file(f"{call}.zip"))


def audio_answer(
    visit: Visit, recording: str, purpose: ListeningPurpose, link: str | None = None
) -> Response:
    """The sound of a recording as a file, Ogg/Opus; the access is in the ledger first."""
    ensure_reach(visit, Permission.RECORDINGS_EXPORT, recording)
    content = _node(visit).playback.play(
        recording,
        person=visit.who.id,
        purpose=purpose.value,
        kind=Kind.ACCESS_EXPORTED,
        link=link,
    )
    return Response(content, media_type="audio/ogg", headers=_file(f"{recording}.ogg"))


def _file(name: str) -> dict[str, str]:
    """A file to be kept, not a page; the name is one of our ids."""
    return {"content-disposition": f'attachment; filename="{name}"'}


def _node(visit: Visit) -> Node:
    node = visit.site.carrier.node
    if node is None:
        raise Unavailable("this process exports nothing; ask one that carries calls")
    return node


def _line(line: RecordingLine) -> dict[str, object]:
    return {
        "id": line.id,
        "call": line.call,
        "created_at": timestamp(line.created_at),
        "state": line.state,
        "seconds": None if line.duration_ms is None else round(line.duration_ms / 1000, 2),
        "channels": 2,
        "first_contact_audio_ms": line.first_contact_ms,
        "expires_at": None if line.expires_at is None else timestamp(line.expires_at),
        "legal_hold": line.legal_hold,
        "mandatory": line.mandatory,
    }
