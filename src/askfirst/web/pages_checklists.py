"""Checklists: the questions of a team, filled in about a call, and answered by its employee."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput
from askfirst.server import checklists, coaching, guardedsettings
from askfirst.server.access import Permission
from askfirst.server.checklists import Reply
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.web.bodies import Filled
from askfirst.web.page import render
from askfirst.web.pages_coaching import shown_with
from askfirst.web.visit import SignedIn, Visit, permitted

router = APIRouter()

Reviewer = Annotated[Visit, Depends(permitted(Permission.CHECKLISTS_WRITE))]
Switcher = Annotated[Visit, Depends(permitted(Permission.RECORDING_MANAGE))]
Text = Annotated[str, Form()]


@router.post("/settings/checklists")
def switch(visit: Switcher, wanted: Annotated[str, Form(alias="checklists")] = "") -> Response:
    """Whether calls are looked through by checklists; a second person may have to agree."""
    store = visit.site.store
    with transaction(store.engine) as connection:
        guardedsettings.change(
            store, connection, {"checklists": wanted != ""}, visit.who.id, utc_now()
        )
    return RedirectResponse("/settings/recording?saved=1", status_code=303)


@router.get("/checklists")
def checklists_page(visit: Reviewer) -> Response:
    """The questions that one may ask, and a form for new ones."""
    return _templates(visit)


@router.post("/checklists")
def make(visit: Reviewer, name: Text = "", questions: Text = "") -> Response:
    """Make the questions of one's team, one on each line."""
    try:
        lines = questions.splitlines()
        checklists.make_template(visit.site.store, visit.who.person, name, lines, utc_now())
    except InvalidInput as error:
        return _templates(visit, name=name, questions=questions, error=visit.told(error))
    return RedirectResponse("/checklists", status_code=303)


@router.post("/checklists/{template}/end")
def end(visit: Reviewer, template: str) -> Response:
    """Ask these questions no more."""
    checklists.end_template(visit.site.store, visit.who.person, template, utc_now())
    return RedirectResponse("/checklists", status_code=303)


@router.post("/calls/{call}/checklists")
def fill(visit: Reviewer, call: str, form: Filled) -> Response:
    """Fill in a checklist: `template`, and `reply-N` and `words-N` for each question, from 0."""
    with reading(visit.site.store.engine) as connection:
        coaching.to_read(connection, visit.who.person, call)
    template = str(form.get("template", ""))
    given = [str(form.get(f"reply-{each}", "")) for each in range(checklists.MOST_QUESTIONS)]
    replies = [
        (Reply(reply), str(form.get(f"words-{number}", "")))
        for number, reply in enumerate(given)
        if reply in set(Reply)
    ]
    store, rules = visit.site.store, visit.site.rules
    try:
        checklists.fill(store, rules, visit.who.person, call, template, replies, utc_now())
    except InvalidInput as error:
        return shown_with(visit, call, check_error=visit.told(error))
    return RedirectResponse(f"/calls/{call}/coaching", status_code=303)


@router.post("/calls/{call}/checklists/{checklist}/delete")
def remove(visit: Reviewer, call: str, checklist: str) -> Response:
    """Remove a checklist that one has filled in."""
    checklists.remove(visit.site.store, visit.who.person, call, checklist, utc_now())
    return RedirectResponse(f"/calls/{call}/coaching", status_code=303)


@router.post("/me/checklists/{checklist}")
def answer(visit: SignedIn, checklist: str, text: Text = "") -> Response:
    """Write what one says to a checklist about oneself."""
    checklists.answer(visit.site.store, visit.who.id, checklist, text, utc_now())
    return RedirectResponse("/me/coaching", status_code=303)


def _templates(visit: Visit, *, name: str = "", questions: str = "", error: str = "") -> Response:
    with reading(visit.site.store.engine) as connection:
        found = checklists.templates_of(connection, visit.who.person)
    return render(
        visit,
        "checklists.html",
        status=422 if error else 200,
        found=found,
        is_on=visit.account.checklists,
        name=name,
        questions=questions,
        error=error,
    )
