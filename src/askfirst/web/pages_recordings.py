"""What is done with a recording from its call's page: export, legal hold, erasure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from enum import StrEnum
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from askfirst.errors import AskfirstError, NotFound, Refused
from askfirst.model import RecordingState
from askfirst.server import audit, erasure, holdrelease, legalholds
from askfirst.server.access import Permission
from askfirst.server.callreader import CallLine
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.keeping import void_at
from askfirst.server.purposes import ListeningPurpose
from askfirst.server.recordingreader import kept_by_rule, mandatory
from askfirst.server.wordfiles import Format, Times
from askfirst.web import recordingview
from askfirst.web.api_calls import found_call
from askfirst.web.api_recordings import audio_answer, bundle_answer, ensure_reach, vcon_answer
from askfirst.web.api_transcripts import words_answer
from askfirst.web.bodies import day
from askfirst.web.page import render
from askfirst.web.visit import Visit, permitted

router = APIRouter()
log = logging.getLogger(__name__)

Exporter = Annotated[Visit, Depends(permitted(Permission.RECORDINGS_EXPORT))]
Holder = Annotated[Visit, Depends(permitted(Permission.RECORDINGS_HOLD))]
Eraser = Annotated[Visit, Depends(permitted(Permission.ERASURE_MANAGE))]
Reason = Annotated[str, Form()]


class ExportFormat(StrEnum):
    """As what a recording is handed on."""

    VCON = "vcon"
    BUNDLE = "bundle"
    AUDIO = "audio"
    WEBVTT = "vtt"
    SRT = "srt"
    TEXT = "text"


_ANSWERS: Mapping[ExportFormat, Callable[..., Response]] = {
    ExportFormat.VCON: vcon_answer,
    ExportFormat.BUNDLE: bundle_answer,
    ExportFormat.AUDIO: audio_answer,
    # Subtitles go with the sound file; what is read by itself has the times of the page.
    ExportFormat.WEBVTT: partial(words_answer, format_=Format.WEBVTT, times=Times.FILE),
    ExportFormat.SRT: partial(words_answer, format_=Format.SRT, times=Times.FILE),
    ExportFormat.TEXT: partial(words_answer, format_=Format.TEXT, times=Times.CALL),
}


@router.post("/calls/{call}/export")
def export(
    visit: Exporter,
    call: str,
    purpose: Annotated[ListeningPurpose, Form()],
    wanted: Annotated[ExportFormat, Form()],
    reason: Reason = "",
) -> Response:
    """A file for a stated purpose, and with a reason where the account wants one."""
    recording, listening = recording_of(found_call(visit, call).line), visit.site.listening
    ensure_reach(visit, Permission.RECORDINGS_EXPORT, recording)
    listening.ensure_purpose(visit.who.person, recording, purpose, utc_now())
    link = listening.state_reason(visit.who.person, recording, reason, utc_now())
    return _ANSWERS[wanted](visit, recording, purpose, link=link)


@router.post("/calls/{call}/hold")
def hold(visit: Holder, call: str, reason: Reason = "", until: Reason = "") -> Response:
    """Place a legal hold, with a reason and perhaps a day on which to look at it again."""
    recording = _reached(visit, Permission.RECORDINGS_HOLD, call)
    review = review_at(until)
    legalholds.place(visit.site.store, recording, visit.who.id, reason, utc_now(), review)
    return _back(call)


@router.post("/calls/{call}/release")
def release(visit: Holder, call: str, reason: Reason = "") -> Response:
    """Release a legal hold, with a reason."""
    recording = _reached(visit, Permission.RECORDINGS_HOLD, call)
    holdrelease.release(visit.site.store, recording, visit.who.id, reason, utc_now())
    return _back(call)


@router.get("/calls/{call}/erase")
def confirm(visit: Eraser, call: str) -> Response:
    """What erasing takes and what stays, before it is done."""
    recording = _reached(visit, Permission.ERASURE_MANAGE, call)
    line = found_call(visit, call).line
    with reading(visit.site.store.engine) as connection:
        duty = mandatory(connection, recording)
        rule = kept_by_rule(connection, recording, utc_now())
    return render(
        visit,
        "erase.html",
        line=line,
        duty=visit.say(recordingview.DUTIES.get(duty, duty)) if duty else "",
        rule=rule,
        is_over=line.ended_at is not None,
        void_at=void_at(visit.account, utc_now()),
    )


@router.post("/calls/{call}/erase")
def erase(visit: Eraser, call: str) -> Response:
    """Erase the recording; what a hold or a duty keeps is refused and stays as it is."""
    recording = _reached(visit, Permission.ERASURE_MANAGE, call)
    line = found_call(visit, call).line
    if line.ended_at is None:
        raise Refused("the call is not over; hang up first, then erase its recording")
    if line.recording_state == RecordingState.ERASED.value:
        return _back(call)
    store, now = visit.site.store, utc_now()
    with transaction(store.engine) as connection:
        erasure.ensure_may_go(connection, recording, now)
        erasure.intend(store, connection, recording, "request", now)
        audit.note(connection, now, visit.who.id, "recording.erase", recording)
    try:
        erasure.erase(store, recording, now)
    except AskfirstError as error:
        # The intention stands; the job, the next sweep or the next start carries it out.
        log.error("erasure.waits recording=%s error=%s", recording, type(error).__name__)
    return _back(call)


def review_at(until: str) -> datetime | None:
    """The beginning of the day, in UTC, on which somebody looks at a hold again, if any."""
    found = day(until, "until")
    return None if found is None else datetime.combine(found, time(), UTC)


def _reached(visit: Visit, permission: Permission, call: str) -> str:
    recording = recording_of(found_call(visit, call).line)
    ensure_reach(visit, permission, recording)
    return recording


def recording_of(line: CallLine) -> str:
    """The recording of a call in a list. Raises NotFound where there is none."""
    if line.recording is None:
        raise NotFound(f"call {line.id} has no recording")
    return line.recording


def _back(call: str) -> Response:
    return RedirectResponse(f"/calls/{call}", status_code=303)
