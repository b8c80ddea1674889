"""The words of recordings over HTTP: read, handed on as files, corrected, brought in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from askfirst.errors import InvalidRequest, NotFound, Refused
from askfirst.ledger import Kind, timestamp
from askfirst.model import RecordingState
from askfirst.server import accounts, corrections, transcripts, wordfiles
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, reading
from askfirst.server.purposes import ListeningPurpose
from askfirst.server.recordingreader import state_of, stretches_of
from askfirst.server.restrictions import ensure_open
from askfirst.server.sealing import Stretch
from askfirst.server.transcripts import Origin, Revision
from askfirst.server.wordfiles import ENDINGS, MEDIA_TYPES, MOST_BYTES, Format, Times
from askfirst.web.api_queue import dispatch
from askfirst.web.api_recordings import ensure_reach, note, purpose_of
from askfirst.web.bodies import Body
from askfirst.web.visit import Visit, permitted

router = APIRouter(tags=["recordings"])

Listener = Annotated[Visit, Depends(permitted(Permission.RECORDINGS_LISTEN))]
Writer = Annotated[Visit, Depends(permitted(Permission.TRANSCRIPTS_WRITE))]


class Line(Body):
    """Other words for a line; lines count from 0, as they are read."""

    line: int
    text: str


class Corrected(Body):
    """Lines to correct, or `machine`: let the recogniser's words stand again.

    `revision` is the one that was read.
    """

    revision: int
    lines: Sequence[Line] = ()
    machine: bool = False


@router.get("/recordings/{recording}/transcript", response_model=None)
def transcript(
    visit: Listener,
    recording: str,
    format: Format = Format.JSON,
    times: Times = Times.CALL,
    link: str = "",
    *,
    machine: bool = False,
) -> Response:
    """What was said, in order; reading it is written down as an access.

    `machine` asks for the recogniser's words, whatever was corrected. Any format but JSON is a
    file, and needs the right to hand recordings on and a link.
    """
    if format is not Format.JSON:
        ensure_reach(visit, Permission.RECORDINGS_EXPORT, recording)
        purpose = purpose_of(visit, recording, link)
        return words_answer(visit, recording, purpose, format, times, machine=machine)
    call = ensure_reach(visit, Permission.RECORDINGS_LISTEN, recording)
    with reading(visit.site.store.engine) as connection:
        ensure_open(connection, recording, "transcript")
    note(visit, Kind.ACCESS_READ, call, recording, "transcript")
    return JSONResponse(_read(visit, call, recording, times, machine=machine))


@router.put("/recordings/{recording}/transcript")
def correct(visit: Writer, recording: str, wanted: Corrected) -> dict[str, object]:
    """Correct lines; 409 where somebody has changed the words since `revision`."""
    ensure_may_write(visit, recording)
    store, person, now = visit.site.store, visit.who.id, utc_now()
    if wanted.machine:
        if wanted.lines:
            raise InvalidRequest("lines: found lines beside machine; send one of them", key="lines")
        found = corrections.take_back(store, recording, wanted.revision, person, now)
    else:
        texts = {each.line: each.text for each in wanted.lines}
        found = corrections.correct(store, recording, wanted.revision, texts, person, now)
    dispatch(visit)
    return _told(visit, recording, found)


async def file_body(request: Request) -> bytes:
    """The body, read no further than a transcript may be long."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MOST_BYTES:
            raise InvalidRequest(
                f"body: found more than {MOST_BYTES} bytes; a transcript is shorter", key="body"
            )
    return bytes(content)


@router.post("/recordings/{recording}/transcript", status_code=201)
def bring_in(
    visit: Writer,
    recording: str,
    content: Annotated[bytes, Depends(file_body)],
    times: Times = Times.CALL,
    ours: str | None = None,
    revision: int = 0,
) -> dict[str, object]:
    """Let a transcript from elsewhere stand: the body is the file.

    `ours` is what it calls our side, `revision` the one that stands now, 0 where nothing was
    changed.
    """
    ensure_may_write(visit, recording)
    found = brought_in(visit, recording, content, times, ours, revision)
    return _told(visit, recording, found)


def ensure_may_write(visit: Visit, recording: str) -> str:
    """The call of a recording whose words a person may both read and change.

    Raises NotFound, Refused.
    """
    ensure_reach(visit, Permission.RECORDINGS_LISTEN, recording)
    return ensure_reach(visit, Permission.TRANSCRIPTS_WRITE, recording)


def brought_in(
    visit: Visit, recording: str, content: bytes, times: Times, ours: str | None, seen: int
) -> Revision:
    """The revision that a file has become; raises as `wordfiles.read`, `corrections.bring_in`."""
    store = visit.site.store
    said = wordfiles.read(content, _stretches(visit, recording), times, ours)
    found = corrections.bring_in(store, recording, seen, said, visit.who.id, utc_now())
    dispatch(visit)
    return found


def words_answer(
    visit: Visit,
    recording: str,
    purpose: ListeningPurpose,
    format_: Format,
    times: Times,
    link: str | None = None,
    *,
    machine: bool = False,
) -> Response:
    """The words of a recording as a file; the access is in the ledger first.

    Raises NotFound where there are none, and Refused unless the recording is ready.
    """
    call = ensure_reach(visit, Permission.RECORDINGS_EXPORT, recording)
    found = _readable(visit, recording, machine=machine)
    note(visit, Kind.ACCESS_EXPORTED, call, recording, purpose.value, link)
    content = wordfiles.written(
        found.said,
        _stretches(visit, recording),
        _language(visit, call),
        format_,
        times,
        gap_text=visit.say("not recorded"),
    )
    name = f'attachment; filename="{recording}.{ENDINGS[format_]}"'
    return Response(content, media_type=MEDIA_TYPES[format_], headers={"content-disposition": name})


def _readable(visit: Visit, recording: str, *, machine: bool) -> Revision:
    """The words that are handed on, of a recording that is ready."""
    store = visit.site.store
    with reading(store.engine) as connection:
        state = state_of(connection, recording)
    if state != RecordingState.READY.value:
        raise Refused(f"recording {recording} is {state}; its words are handed on once it is ready")
    found = _revision(visit, recording, machine=machine)
    if found is None:
        raise NotFound(f"recording {recording} has no transcript")
    return found


def _revision(visit: Visit, recording: str, *, machine: bool) -> Revision | None:
    store = visit.site.store
    if machine:
        return transcripts.revision(store, recording, 0)
    return transcripts.newest(store, recording)


def _read(
    visit: Visit, call: str, recording: str, times: Times, *, machine: bool
) -> dict[str, object]:
    """The words for an access that is already written down; no utterance where there are none."""
    found = _revision(visit, recording, machine=machine)
    said = () if found is None else found.said
    language, stretches = _language(visit, call), _stretches(visit, recording)
    return {
        **_told(visit, recording, found),
        "times": times.value,
        **wordfiles.document(said, stretches, language, times),
    }


def _told(visit: Visit, recording: str, found: Revision | None) -> dict[str, object]:
    """Which words they are, and who changed them last."""
    if found is None or found.person is None or found.at is None:
        return {"recording": recording, "revision": 0, "origin": Origin.MACHINE.value}
    with reading(visit.site.store.engine) as connection:
        name = accounts.names(connection).get(found.person)
    return {
        "recording": recording,
        "revision": found.number,
        "origin": found.origin.value,
        "changed_by": {"id": found.person, "name": name},
        "changed_at": timestamp(found.at),
    }


def _language(visit: Visit, call: str) -> str:
    with reading(visit.site.store.engine) as connection:
        query = sa.select(calls.c.language).where(calls.c.id == call)
        return str(connection.execute(query).scalar_one())


def _stretches(visit: Visit, recording: str) -> list[Stretch]:
    with reading(visit.site.store.engine) as connection:
        return stretches_of(connection, recording)
