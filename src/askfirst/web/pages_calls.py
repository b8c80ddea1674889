"""The calls and one call: what was decided, what happened, the proof, and listening to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from starlette.responses import Response

from askfirst.errors import NotFound
from askfirst.outcome import in_language
from askfirst.server import accounts, originals
from askfirst.server.access import Permission
from askfirst.server.accesslog import reason_of
from askfirst.server.callreader import CallRecord
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.purposes import ListeningPurpose
from askfirst.web import callanalysis, callpage, callwords, recordingview, redactionview, words
from askfirst.web.aftercall import after_call
from askfirst.web.api_calls import found_call, linked, note_found
from askfirst.web.calltranscript import FAULTS, Draft, Show
from askfirst.web.checkpanel import check_panel
from askfirst.web.coachpanel import panel_if_open
from askfirst.web.decidedwords import reasons_in
from askfirst.web.noticepanel import notice_panel
from askfirst.web.page import render
from askfirst.web.placewords import every_place
from askfirst.web.visit import Visit, permitted

router = APIRouter()

Reader = Annotated[Visit, Depends(permitted(Permission.CALLS_READ))]
Officer = Annotated[Visit, Depends(permitted(Permission.ORIGINALS_OPEN))]
Listener = Annotated[Visit, Depends(permitted(Permission.RECORDINGS_LISTEN))]

SHARE_PERIODS = {
    str(24): words.mark("A day"),
    str(24 * 3): words.mark("Three days"),
    str(24 * 7): words.mark("A week"),
    str(24 * 14): words.mark("Two weeks"),
}
"""How long a share may last, in hours."""

LISTENED_FOR = timedelta(minutes=30)


@router.get("/calls/{call}")
def one_call(
    visit: Reader, call: str, check: str = "", found: bool = False, at_ms: int | None = None
) -> Response:
    """One call, `found` by a search or not; its audio is not opened by looking at the page.

    Where it is opened afterwards, the player begins at `at_ms` of the call.
    """
    if found:
        note_found(visit, call)
    return _shown(visit, found_call(visit, call), checks_ledger=check == "ledger", at_ms=at_ms)


@router.post("/calls/{call}/listen")
def listen(
    visit: Listener,
    call: str,
    purpose: Annotated[ListeningPurpose, Form()],
    reason: Annotated[str, Form()] = "",
    show: Annotated[Show, Form()] = Show.WORDS,
    at_ms: Annotated[int | None, Form()] = None,
) -> Response:
    """The call with its player and transcript, for a stated purpose; no sound is loaded yet."""
    return listening(visit, call, purpose, reason, show, at_ms=at_ms)


def listening(
    visit: Visit,
    call: str,
    purpose: ListeningPurpose,
    reason: str,
    show: Show,
    draft: Draft | None = None,
    *,
    status: int = 200,
    at_ms: int | None = None,
) -> Response:
    """The call with its recording opened, by a new link. Raises as `Listening.link`."""
    record = found_call(visit, call)
    if record.line.recording is None:
        raise NotFound(f"call {call} has no recording")
    made = linked(visit, record.line.recording, purpose, LISTENED_FOR, reason)
    listened = callpage.opened(visit, record, made, purpose, reason, show, draft)
    return _shown(visit, record, listened, status=status, at_ms=at_ms)


@router.post("/calls/{call}/original")
def original(
    visit: Officer,
    call: str,
    purpose: Annotated[ListeningPurpose, Form()],
    reason: Annotated[str, Form()] = "",
) -> Response:
    """The call as it was said, nothing hidden, for a stated purpose and reason."""
    record = found_call(visit, call)
    if record.line.recording is None:
        raise NotFound(f"call {call} has no recording")
    person, session = visit.who.person, visit.session or ""
    found = originals.open_original(
        visit.site.listening, person, session, record.line.recording, purpose, reason, utc_now()
    )
    opened = callpage.opened(visit, record, found.link, purpose, reason, original=found.said)
    return _shown(visit, record, opened)


def _shown(
    visit: Visit,
    record: CallRecord,
    listened: callpage.Listened | None = None,
    *,
    checks_ledger: bool = False,
    at_ms: int | None = None,
    status: int = 200,
) -> Response:
    with reading(visit.site.store.engine) as connection:
        names = accounts.names(connection)
    known = callpage.known(visit, record, checks_ledger=checks_ledger)
    purposes = visit.said(callwords.PURPOSES)
    return render(
        visit,
        "call.html",
        status=status,
        record=record,
        reasons=_reasons(visit, record),
        line=record.line,
        reason=in_language(record.line.outcome_reason or "", visit.language),
        place_names=every_place(visit.site.rules, visit.language),
        listened=listened,
        at_ms=at_ms,
        coach=None if listened is None else panel_if_open(visit, record.line.id),
        check=None if listened is None else check_panel(visit, record.line.id),
        known=known,
        numbers=callanalysis.numbers(visit, record),
        anchor=callanalysis.anchor,
        notice=notice_panel(visit, record),
        hidden=redactionview.hidden(visit, record.line),
        after=after_call(visit, record.line.id),
        names=names,
        opened=[_opening(visit, record, each) for each in record.opened],
        refusals=visit.said(callwords.REFUSALS),
        outcomes=visit.said(callwords.OUTCOMES),
        states=visit.said(callwords.STATES),
        causes=visit.said(callwords.CAUSES),
        hows=visit.said(callwords.HOWS),
        kinds=visit.said(callwords.KINDS),
        openings=visit.said(callwords.OPENINGS),
        recording_states=visit.said(callwords.RECORDING_STATES),
        purposes=purposes,
        share_periods=list(visit.said(SHARE_PERIODS).items()),
        stated=[(each, purposes[each]) for each in known.purposes],
        clock=recordingview.clock,
        faults=visit.said(FAULTS),
    )


def _reasons(visit: Visit, record: CallRecord) -> list[dict[str, Any]]:
    """Why the call was decided as it was; nothing before it was decided."""
    if not record.decision:
        return []
    on, policy = record.line.created_at.date(), visit.account.policy()
    return reasons_in(visit.language, record.decision, on, visit.site.rules, policy)


def _opening(visit: Visit, record: CallRecord, said: Mapping[str, Any]) -> dict[str, Any]:
    """An access as the page shows it; what it lacks is None."""
    entry = {"recording": record.line.recording, "data": said}
    return {
        **dict.fromkeys(("why", "share", "from_ms", "to_ms")),
        **said,
        "at": _moment(str(said["at"])),
        "reason": reason_of(visit.site.store, entry),
    }


def _moment(written: str) -> datetime:
    return datetime.fromisoformat(written).astimezone(UTC)
