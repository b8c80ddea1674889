"""The calls and one call: what was decided, what happened, the proof, and listening to it."""

from __future__ import annotations

from collections.abc import Mapping
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
from askfirst.web import words
from askfirst.web.api_calls import found_call, linked, person_of, stored_transcript
from askfirst.web.page import render
from askfirst.web.visit import Visit, permitted

router = APIRouter()

Reader = Annotated[Visit, Depends(permitted(Permission.CALLS_READ))]
Listener = Annotated[Visit, Depends(permitted(Permission.RECORDINGS_LISTEN))]

PAGE = 50
LISTENED_FOR = timedelta(minutes=30)

OUTCOMES: Mapping[str, str] = {
    "recorded": words.mark("Recorded"),
    "not-asked": words.mark("Nobody asked"),
    "refused": words.mark("They said no"),
    "silent": words.mark("No answer to the question"),
    "blocked": words.mark("Not allowed"),
    "notice-cut": words.mark("The notice was cut short"),
    "degraded": words.mark("Recorded with gaps"),
    "failed": words.mark("Recording failed"),
    "erased": words.mark("Erased"),
    "quarantined": words.mark("Held back for a check"),
}
STATES: Mapping[str, str] = {
    "ended": words.mark("The call ended"),
    "closed": words.mark("Not recording"),
    "blocked": words.mark("Recording is not allowed"),
    "telling": words.mark("They are being told"),
    "asking": words.mark("They are being asked"),
    "sealing": words.mark("Consent is being written down"),
    "held": words.mark("Paused"),
    "open": words.mark("Recording"),
}
CAUSES: Mapping[str, str] = {
    "hung-up": words.mark("somebody hung up"),
    "failed": words.mark("something failed"),
    "no-contact": words.mark("nobody is on the line yet"),
    "not-decided": words.mark("the rules have not been applied yet"),
    "forbidden": words.mark("the rules forbid it"),
    "switched-off": words.mark("recording is switched off"),
    "withdrawn": words.mark("they took their consent back"),
    "refused": words.mark("they said no"),
    "not-acknowledged": words.mark("the agent has not read the employee notice"),
    "machine": words.mark("a machine answered"),
    "telling": words.mark("a notice is owed"),
    "asking": words.mark("consent is owed"),
    "sealing": words.mark("nothing is kept before it is written"),
    "paused": words.mark("paused"),
    "not-wanted": words.mark("nobody asked for recording"),
    "met": words.mark("everything owed was done"),
}
HOWS: Mapping[str, str] = {
    "agent": words.mark("the agent noted it"),
    "announcement": words.mark("an announcement was played"),
    "keypad": words.mark("they pressed a key"),
    "spoken": words.mark("they said it"),
    "written": words.mark("in writing"),
}
KINDS: Mapping[str, str] = {
    "informed": words.mark("Told"),
    "agreed": words.mark("Agreed"),
    "refused": words.mark("Refused"),
    "withdrawn": words.mark("Took it back"),
}
RECORDING_STATES: Mapping[str, str] = {
    "spool": words.mark("being recorded"),
    "sealed": words.mark("waiting to be checked"),
    "checking": words.mark("being checked"),
    "ready": words.mark("ready"),
    "quarantined": words.mark("held back for a check"),
    "erased": words.mark("erased"),
}
OPENINGS: Mapping[str, str] = {
    "access.played": words.mark("listened"),
    "access.read": words.mark("read the transcript"),
    "access.exported": words.mark("exported it"),
}
PURPOSES: Mapping[ListeningPurpose, str] = {
    ListeningPurpose.QUALITY: words.mark("Quality of service"),
    ListeningPurpose.TRAINING: words.mark("Training of staff"),
    ListeningPurpose.DISPUTE: words.mark("A dispute about what was said"),
    ListeningPurpose.CONSENT_CHECK: words.mark("To check the consent"),
    ListeningPurpose.SUBJECT_REQUEST: words.mark("They asked for it"),
}


@router.get("/calls")
def calls(visit: Reader, outcome: str = "", before: str | None = None) -> Response:
    """The newest calls that somebody may read, filtered by outcome."""
    chosen = OutcomeCode(outcome) if outcome in OUTCOMES else None
    with reading(visit.site.store.engine) as connection:
        lines = call_lines(
            connection, person_of(visit), Wanted(outcome=chosen, before=before, most=PAGE)
        )
    return render(
        visit,
        "calls.html",
        lines=lines,
        outcome=outcome,
        outcomes=_said(visit, OUTCOMES),
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
        names = {user.id: user.name for user in accounts.all_users(connection)}
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
        outcomes=_said(visit, OUTCOMES),
        states=_said(visit, STATES),
        causes=_said(visit, CAUSES),
        hows=_said(visit, HOWS),
        kinds=_said(visit, KINDS),
        openings=_said(visit, OPENINGS),
        recording_states=_said(visit, RECORDING_STATES),
        purposes=[(key.value, visit.say(text)) for key, text in PURPOSES.items()],
        purpose_of={key.value: visit.say(text) for key, text in PURPOSES.items()},
        may_listen=visit.may(Permission.RECORDINGS_LISTEN),
        clock=clock,
    )


def clock(at_ms: int) -> str:
    """Milliseconds as people read a player: 1:05."""
    minutes, seconds = divmod(max(0, at_ms) // 1000, 60)
    return f"{minutes}:{seconds:02d}"


def _said(visit: Visit, texts: Mapping[str, str]) -> dict[str, str]:
    return {key: visit.say(text) for key, text in texts.items()}


def _moment(written: str) -> datetime:
    return datetime.fromisoformat(written).astimezone(UTC)
