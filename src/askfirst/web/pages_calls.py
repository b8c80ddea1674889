"""The calls and one call: what was decided, what happened, the proof, and listening to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from starlette.responses import Response

from askfirst.errors import NotFound
from askfirst.outcome import in_language
from askfirst.server import accounts
from askfirst.server.access import Permission
from askfirst.server.callreader import CallRecord
from askfirst.server.database import reading
from askfirst.server.listening import ListeningPurpose
from askfirst.web import callpage, callwords, recordingview
from askfirst.web.aftercall import after_call
from askfirst.web.api_calls import found_call, linked
from askfirst.web.decidedwords import reasons_in
from askfirst.web.page import render
from askfirst.web.placewords import every_place
from askfirst.web.visit import Visit, permitted

router = APIRouter()

Reader = Annotated[Visit, Depends(permitted(Permission.CALLS_READ))]
Listener = Annotated[Visit, Depends(permitted(Permission.RECORDINGS_LISTEN))]

LISTENED_FOR = timedelta(minutes=30)


@router.get("/calls/{call}")
def one_call(visit: Reader, call: str, check: str = "") -> Response:
    """One call; its audio is not opened by looking at the page."""
    return _shown(visit, found_call(visit, call), checks_ledger=check == "ledger")


@router.post("/calls/{call}/listen")
def listen(visit: Listener, call: str, purpose: Annotated[ListeningPurpose, Form()]) -> Response:
    """The call with its player and transcript, for a stated purpose; no sound is loaded yet."""
    record = found_call(visit, call)
    if record.line.recording is None:
        raise NotFound(f"call {call} has no recording")
    url, _ = linked(visit, record.line.recording, purpose, LISTENED_FOR)
    return _shown(visit, record, callpage.opened(visit, record, url, purpose))


def _shown(
    visit: Visit,
    record: CallRecord,
    listened: callpage.Listened | None = None,
    *,
    checks_ledger: bool = False,
) -> Response:
    with reading(visit.site.store.engine) as connection:
        names = accounts.names(connection)
    return render(
        visit,
        "call.html",
        record=record,
        reasons=_reasons(visit, record),
        line=record.line,
        reason=in_language(record.line.outcome_reason or "", visit.language),
        place_names=every_place(visit.site.rules, visit.language),
        listened=listened,
        known=callpage.known(visit, record, checks_ledger=checks_ledger),
        after=after_call(visit, record.line.id),
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
        clock=recordingview.clock,
    )


def _reasons(visit: Visit, record: CallRecord) -> list[dict[str, Any]]:
    """Why the call was decided as it was; nothing before it was decided."""
    if not record.decision:
        return []
    on, policy = record.line.created_at.date(), visit.account.policy()
    return reasons_in(visit.language, record.decision, on, visit.site.rules, policy)


def _moment(written: str) -> datetime:
    return datetime.fromisoformat(written).astimezone(UTC)
