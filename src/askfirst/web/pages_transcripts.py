"""The words of a recording from its call's page: corrected, put back, brought in, heard again.

Each answer shows the recording opened anew, for the purpose and reason that were stated before: it
is an access, and is written down as one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData, UploadFile
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput, InvalidRequest
from askfirst.server import corrections, transcribing
from askfirst.server.access import Permission
from askfirst.server.callnotes import Conflict
from askfirst.server.clock import utc_now
from askfirst.server.purposes import ListeningPurpose
from askfirst.server.wordfiles import MOST_LINES, Times
from askfirst.web import calltranscript
from askfirst.web.api_calls import found_call
from askfirst.web.api_queue import dispatch
from askfirst.web.api_recordings import ensure_reach
from askfirst.web.api_transcripts import brought_in, ensure_may_write
from askfirst.web.bodies import plain
from askfirst.web.calltranscript import Draft, Show
from askfirst.web.pages_calls import listening
from askfirst.web.pages_recordings import recording_of
from askfirst.web.visit import Visit, permitted

router = APIRouter()

Writer = Annotated[Visit, Depends(permitted(Permission.TRANSCRIPTS_WRITE))]

LARGEST_FORM = 8 * 1024 * 1024
LARGEST_FILE = 1_000_000
"""Larger files would be spooled to disk in clear by what reads forms; the interface takes them."""

_LINE = re.compile(r"line-([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Filled:
    """A form about the words of a recording: why it is open, which revision was read, and lines."""

    purpose: ListeningPurpose
    reason: str
    revision: int
    lines: dict[int, str]


@dataclass(frozen=True, slots=True)
class Brought:
    """The same with a file, from when its times count, and its name for our side."""

    stated: Filled
    content: bytes
    times: Times
    ours: str


async def filled(request: Request) -> Filled:
    """The form, read no further than a transcript may be long."""
    _ensure_size(request, LARGEST_FORM)
    async with request.form(max_files=0, max_fields=MOST_LINES + 10) as form:
        return _filled(form)


async def brought(request: Request) -> Brought:
    """The form with its file, which stays in memory."""
    _ensure_size(request, LARGEST_FILE)
    async with request.form(max_files=1, max_fields=10) as form:
        file = form.get("file")
        content = await file.read() if isinstance(file, UploadFile) else b""
        try:
            times = Times(str(form.get("times", "")))
        except ValueError as error:
            raise InvalidRequest("times: expected file or call", key="times") from error
        ours = str(form.get("ours", ""))
        plain({"ours": ours})
        return Brought(_filled(form), content, times, ours)


@router.post("/calls/{call}/transcript")
def correct(visit: Writer, call: str, form: Annotated[Filled, Depends(filled)]) -> Response:
    """Keep what was corrected; where somebody was quicker, both are shown and nothing is lost."""
    recording = _reached(visit, call)
    draft = calltranscript.changed_lines(visit, recording, form.revision, form.lines)
    store, person, now = visit.site.store, visit.who.id, utc_now()
    try:
        corrections.correct(store, recording, form.revision, draft.texts, person, now)
    except Conflict:
        unkept = Draft(draft.seen, draft.texts, is_conflict=True)
        return _opened(visit, call, form, Show.EDIT, unkept, status=409)
    except InvalidInput as error:
        unkept = Draft(draft.seen, draft.texts, error=visit.told(error))
        return _opened(visit, call, form, Show.EDIT, unkept, status=422)
    dispatch(visit)
    return _opened(visit, call, form, Show.WORDS)


@router.post("/calls/{call}/transcript/machine")
def take_back(visit: Writer, call: str, form: Annotated[Filled, Depends(filled)]) -> Response:
    """Let what the recogniser wrote stand again."""
    recording = _reached(visit, call)
    corrections.take_back(visit.site.store, recording, form.revision, visit.who.id, utc_now())
    dispatch(visit)
    return _opened(visit, call, form, Show.WORDS)


@router.post("/calls/{call}/transcript/file")
def bring_in(visit: Writer, call: str, form: Annotated[Brought, Depends(brought)]) -> Response:
    """Let a transcript from a file stand; what cannot be read says why, and changes nothing."""
    recording, stated = _reached(visit, call), form.stated
    try:
        brought_in(visit, recording, form.content, form.times, form.ours, stated.revision)
    except InvalidInput as error:
        unkept = Draft(stated.revision, {}, error=visit.told(error))
        return _opened(visit, call, stated, Show.WORDS, unkept, status=422)
    return _opened(visit, call, stated, Show.WORDS)


@router.post("/calls/{call}/transcript/again")
def again(visit: Writer, call: str) -> Response:
    """Have a recording heard again of which that has failed or was never ordered."""
    line = found_call(visit, call).line
    recording = recording_of(line)
    ensure_reach(visit, Permission.TRANSCRIPTS_WRITE, recording)
    transcribing.order(visit.site.store, recording, visit.who.id, utc_now())
    dispatch(visit)
    return RedirectResponse(f"/calls/{call}", status_code=303)


def _reached(visit: Visit, call: str) -> str:
    recording = recording_of(found_call(visit, call).line)
    ensure_may_write(visit, recording)
    return recording


def _opened(
    visit: Visit,
    call: str,
    form: Filled,
    show: Show,
    draft: Draft | None = None,
    *,
    status: int = 200,
) -> Response:
    return listening(visit, call, form.purpose, form.reason, show, draft, status=status)


def _filled(form: FormData) -> Filled:
    texts = {key: value for key, value in form.multi_items() if isinstance(value, str)}
    plain(texts)
    try:
        purpose = ListeningPurpose(texts.get("purpose", ""))
    except ValueError as error:
        raise InvalidRequest("purpose: expected one of those of the page", key="purpose") from error
    revision = texts.get("revision", "")
    if not (revision.isascii() and revision.isdigit() and len(revision) < 9):
        raise InvalidRequest("revision: expected a whole number", key="revision")
    lines = {
        int(found[1]): value for key, value in texts.items() if (found := _LINE.fullmatch(key))
    }
    return Filled(purpose, texts.get("reason", ""), int(revision), lines)


def _ensure_size(request: Request, most: int) -> None:
    length = request.headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()) or int(length) > most:
        raise InvalidInput(f"found a form or file over {most} bytes; send less at a time")
