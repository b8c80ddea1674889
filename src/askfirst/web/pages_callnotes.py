"""What agents write about calls, and what is due because of it, on pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput, InvalidRequest, Refused
from askfirst.server import audit, callnotes, followups
from askfirst.server.access import Permission, Reach
from askfirst.server.callnotes import Conflict, Written
from askfirst.server.callreader import ensure_reaches
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.followuplist import due_list, ensure_reaches_follow_up
from askfirst.web.aftercall import NoteForm, after_call
from askfirst.web.api_contacts import Writer
from askfirst.web.page import render
from askfirst.web.visit import Visit, permitted

router = APIRouter()

Reader = Annotated[Visit, Depends(permitted(Permission.CALLS_READ))]
Caller = Annotated[Visit, Depends(permitted(Permission.CALLS_MAKE))]
Filled = Annotated[NoteForm, Form()]


@router.get("/calls/{call}/notes")
def notes_page(visit: Reader, call: str) -> Response:
    """What is written about a call, alone on a page."""
    return _shown(visit, call)


@router.post("/calls/{call}/notes")
def save_notes(visit: Caller, call: str, form: Filled) -> Response:
    """Write about a call, or show the form again with everything that was typed."""
    _ensure_may_write(visit, call)
    try:
        _save(visit, call, form, form.written())
    except Conflict:
        return _shown(visit, call, form, status=409, is_conflict=True)
    except (InvalidInput, Refused) as error:
        wrong = error.key if isinstance(error, InvalidRequest) else None
        return _shown(visit, call, form, status=422, error=visit.told(error), wrong=wrong)
    return RedirectResponse(f"/calls/{call}", status_code=303)


@router.post("/calls/{call}/notes/draft")
def save_draft(visit: Caller, call: str, form: Filled) -> Response:
    """Keep the notes alone while somebody types; the rest of the form waits for its button."""
    _ensure_may_write(visit, call)
    conflict, error, saved = False, None, None
    version = form.read_version
    try:
        with reading(visit.site.store.engine) as connection:
            kept = callnotes.read(connection, visit.who.person, call).written
        told = Written(kept.disposition, form.notes, kept.anyone_else, kept.follow_up_on)
        saved = _save(visit, call, form, told)
        version = saved.version
    except Conflict:
        conflict = True
    except (InvalidInput, Refused) as problem:
        error = visit.told(problem)
    state = {
        "version": version,
        "conflict": conflict,
        "error": error,
        "saved": saved,
        "typed": False,
    }
    return render(visit, "note_state.html", status=422 if saved is None else 200, state=state)


@router.get("/follow-ups")
def follow_ups_page(visit: Reader) -> Response:
    """What is due, was due and will be, for oneself or the team."""
    person = visit.who.person
    with reading(visit.site.store.engine) as connection:
        found = due_list(connection, person, visit.today())
    return render(
        visit,
        "follow_ups.html",
        found=found,
        is_wide=person.reach(Permission.CALLS_READ) > Reach.OWN,
        may_write=visit.may(Permission.CONTACTS_WRITE),
    )


@router.post("/follow-ups/{follow_up}/done")
def follow_up_done(visit: Writer, follow_up: str, back: Annotated[str, Form()] = "") -> Response:
    """Mark a follow-up as done, and go back to the list or (`back`: contact) to its contact."""
    now = utc_now()
    with transaction(visit.site.store.engine) as connection:
        ensure_reaches_follow_up(connection, visit.who.person, follow_up)
        contact = followups.done(connection, follow_up, now)
        audit.note(connection, now, visit.who.id, "follow-up.done", follow_up)
    page = f"/contacts/{contact}" if back == "contact" else "/follow-ups"
    return RedirectResponse(page, status_code=303)


def _ensure_may_write(visit: Visit, call: str) -> None:
    """Raise NotFound, or Refused for anybody but the call's agent, who alone gets the form back."""
    with reading(visit.site.store.engine) as connection:
        ensure_reaches(connection, visit.who.person, Permission.CALLS_READ, call)
        if not callnotes.may_write(connection, visit.who.person, call):
            raise Refused("only the agent of a call writes about it")


def _save(visit: Visit, call: str, form: NoteForm, written: Written) -> callnotes.CallNote:
    with transaction(visit.site.store.engine) as connection:
        return callnotes.save(
            connection,
            visit.who.person,
            call,
            form.read_version,
            written,
            utc_now(),
            default_region=visit.account.region,
        )


def _shown(
    visit: Visit,
    call: str,
    filled: NoteForm | None = None,
    *,
    status: int = 200,
    error: str | None = None,
    wrong: str | None = None,
    is_conflict: bool = False,
) -> Response:
    shown = after_call(
        visit, call, filled=filled, error=error, wrong=wrong, is_conflict=is_conflict
    )
    return render(visit, "call_notes.html", status=status, after=shown)
