"""The calls and one call: what was decided, what happened, the proof, and listening to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.responses import Response

from askfirst.errors import NotFound
from askfirst.model import OutcomeCode
from askfirst.server import accounts
from askfirst.server.access import Permission
from askfirst.server.callreader import CallRecord, Wanted, call_lines
from askfirst.server.database import reading
from askfirst.server.listening import ListeningPurpose
from askfirst.web import callwords
from askfirst.web.api_calls import found_call, linked, stored_transcript
from askfirst.web.page import render
from askfirst.web.visit import Visit, permitted

router = APIRouter()

Reader = Annotated[Visit, Depends(permitted(Permission.CALLS_READ))]
Listener = Annotated[Visit, Depends(permitted(Permission.RECORDINGS_LISTEN))]

PAGE = 50
LISTENED_FOR = timedelta(minutes=30)


@router.get("/calls")
def calls(visit: Reader, outcome: str = "", before: str | None = None) -> Response:
    """The newest calls that somebody may read, filtered by outcome."""
    chosen = OutcomeCode(outcome) if outcome in callwords.OUTCOMES else None
    with reading(visit.site.store.engine) as connection:
        lines = call_lines(
            connection, visit.who.person, Wanted(outcome=chosen, before=before, most=PAGE)
        )
    return render(
        visit,
        "calls.html",
        lines=lines,
        outcome=outcome,
        outcomes=visit.said(callwords.OUTCOMES),
        before=before,
        clock=clock,
        older=lines[-1].id if len(lines) == PAGE else None,
    )


@router.get("/calls/{call}")
def one_call(visit: Reader, call: str) -> Response:
    """One call; its audio is not opened by looking at the page."""
    return _shown(visit, found_call(visit, call))


@router.post("/calls/{call}/listen")
def listen(visit: Listener, call: str, purpose: Annotated[ListeningPurpose, Form()]) -> Response:
    """The call with its player, for a stated purpose."""
    record = found_call(visit, call)
    if record.line.recording is None:
        raise NotFound(f"call {call} has no recording")
    url, _ = linked(visit, record.line.recording, purpose, LISTENED_FOR)
    return _shown(visit, record, audio=url)


def _shown(visit: Visit, record: CallRecord, audio: str | None = None) -> Response:
    line = record.line
    with reading(visit.site.store.engine) as connection:
        names = accounts.names(connection)
    said = (
        stored_transcript(visit, line.recording) if audio is not None and line.recording else None
    )
    return render(
        visit,
        "call.html",
        record=record,
        line=line,
        audio=audio,
        utterances=said,
        names=names,
        opened=[{**each, "at": _moment(str(each["at"]))} for each in record.opened],
        outcomes=visit.said(callwords.OUTCOMES),
        states=visit.said(callwords.STATES),
        causes=visit.said(callwords.CAUSES),
        hows=visit.said(callwords.HOWS),
        kinds=visit.said(callwords.KINDS),
        openings=visit.said(callwords.OPENINGS),
        recording_states=visit.said(callwords.RECORDING_STATES),
        purposes=visit.said(callwords.PURPOSES),
        may_listen=visit.may(Permission.RECORDINGS_LISTEN),
        clock=clock,
    )


def clock(at_ms: int) -> str:
    """Milliseconds as people read a player: 1:05."""
    minutes, seconds = divmod(max(0, at_ms) // 1000, 60)
    return f"{minutes}:{seconds:02d}"


def _moment(written: str) -> datetime:
    return datetime.fromisoformat(written).astimezone(UTC)
