"""The search: who and which calls fit a text, and what was said in the calls that one may hear.

What somebody looks for is sent in a body and stands in no address, and nothing is searched before
they press the button: hits are accesses, and no link from elsewhere makes anybody access anything.
A text in the address, ``/search?q=``, only fills the field in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Form, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput, InvalidRequest, Unavailable
from askfirst.server import accounts, contacts, savedviews
from askfirst.server.access import Permission, Person, Reach
from askfirst.server.analysistables import trackers
from askfirst.server.callreader import CallLine, call_lines
from askfirst.server.callreader import Wanted as WantedCalls
from askfirst.server.callsearch import CallHit, search_calls, search_contacts
from askfirst.server.clock import utc_now
from askfirst.server.contactcard import Contact
from askfirst.server.database import reading, transaction
from askfirst.server.savedviews import ViewKind
from askfirst.server.searchfilter import SearchFilter, Talk, search_filter_of
from askfirst.server.searchquery import query_of
from askfirst.server.transcriptsearch import Found, Wanted, search_transcripts
from askfirst.web import words
from askfirst.web.foundwords import Shown, shown
from askfirst.web.page import render
from askfirst.web.pages_calllist import PROOFS
from askfirst.web.placewords import by_name, every_place
from askfirst.web.recordingview import clock
from askfirst.web.visit import Visit, permitted

router = APIRouter()

Reader = Annotated[Visit, Depends(permitted(Permission.CALLS_READ))]

PAGE = 20
MOST_PEOPLE = 5
MOST_WRITTEN = 10

SPEAKERS: Mapping[str, str] = {
    "agent": words.mark("Our side"),
    "contact": words.mark("The contact"),
}
TALKS: Mapping[str, str] = {
    Talk.AGENT: words.mark("Mostly our side"),
    Talk.CONTACT: words.mark("Mostly the contact"),
    Talk.EVEN: words.mark("Both about as much"),
}


class SearchForm(BaseModel):
    """What the form sends: a text, filters as `SearchFilter` names them, or a kept search."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, str]

    q: str = ""
    before: int | None = None
    view: str = ""
    name: str = ""

    @property
    def filters(self) -> dict[str, str]:
        """The filters as they were sent; an empty one does not narrow."""
        given = self.model_extra or {}
        return {each.name: given.get(each.name, "") for each in fields(SearchFilter)}


@dataclass(frozen=True, slots=True)
class Results:
    """What was found: people, calls by what is written about them, and what was said in calls."""

    people: Sequence[Contact] = ()
    written: Sequence[CallHit] = ()
    said: Sequence[Shown] = ()
    lines: Mapping[str, CallLine] | None = None
    next: int | None = None
    is_cut: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found at all."""
        return not (self.people or self.written or self.said)


@router.get("/search")
def search(visit: Reader, request: Request, q: str = "") -> Response:
    """The form, with what the address says filled in."""
    return _page(visit, q, request.query_params)


@router.post("/search")
def find(visit: Reader, form: Annotated[SearchForm, Form()]) -> Response:
    """What fits the form, or a kept search of one's own."""
    q, given = form.q, form.filters
    if form.view:
        with reading(visit.site.store.engine) as connection:
            kept = savedviews.view_of(connection, visit.who.id, form.view, ViewKind.SEARCH)
        q, given = kept.filters.get("q", ""), dict(kept.filters)
    try:
        wanted = search_filter_of(given)
        found = _results(visit, q.strip(), wanted, form.before)
    except InvalidInput as problem:
        return _page(visit, q, given, error=visit.told(problem))
    except Unavailable:
        told = visit.say("What was said cannot be searched now. Try again in a while.")
        return _page(visit, q, given, error=told, status=503)
    return _page(visit, q, given, results=found, is_first=form.before is None)


@router.post("/search/views")
def keep_search(visit: Reader, form: Annotated[SearchForm, Form()]) -> Response:
    """Keep a search under a name."""
    given = {**form.filters, "q": form.q}
    try:
        with transaction(visit.site.store.engine) as connection:
            savedviews.keep(connection, visit.who.id, form.name, given, utc_now(), ViewKind.SEARCH)
    except InvalidInput as error:
        return _page(visit, form.q, given, error=visit.told(error))
    return RedirectResponse("/search", status_code=303)


@router.post("/search/views/{view}/delete")
def delete_search(visit: Reader, view: str) -> Response:
    """Delete a kept search of one's own."""
    with transaction(visit.site.store.engine) as connection:
        savedviews.drop(connection, visit.who.id, view)
    return RedirectResponse("/search", status_code=303)


def _results(visit: Visit, q: str, wanted: SearchFilter, before: int | None) -> Results:
    """Everything that fits; with a filter, and behind the first page, only what was said."""
    found = Results()
    if before is None and not wanted.parameters():
        region, person = visit.account.region, visit.who.person
        with reading(visit.site.store.engine) as connection:
            people = search_contacts(connection, q, region, MOST_PEOPLE)
            written = search_calls(connection, person, q, people, region, MOST_WRITTEN)
        known = people if visit.may(Permission.CONTACTS_READ) else ()
        found = replace(found, people=known, written=written)
    if visit.may(Permission.RECORDINGS_LISTEN):
        found = _with_said(visit, found, q, wanted, before)
    return replace(found, lines=_lines(visit, found))


def _with_said(
    visit: Visit, found: Results, q: str, wanted: SearchFilter, before: int | None
) -> Results:
    try:
        query = query_of(q)
    except InvalidRequest:
        if wanted.parameters() or before is not None:
            raise
        return found  # a text without a word may still be somebody's number
    asked = Wanted(query, wanted, before, PAGE, visit.zone)
    page: Found = search_transcripts(visit.site.store, visit.who.person, asked)
    said = shown(visit, page, query)
    return replace(found, said=said, next=page.next, is_cut=page.is_cut)


def _lines(visit: Visit, found: Results) -> dict[str, CallLine]:
    ids = frozenset([*(each.call for each in found.written), *(each.call for each in found.said)])
    with reading(visit.site.store.engine) as connection:
        listed = call_lines(connection, visit.who.person, WantedCalls(ids=ids, most=len(ids) or 1))
    return {each.id: each for each in listed}


def _page(
    visit: Visit,
    q: str,
    given: Mapping[str, str],
    *,
    results: Results | None = None,
    is_first: bool = True,
    error: str | None = None,
    status: int = 422,
) -> Response:
    try:
        wanted = search_filter_of(given)
    except InvalidInput:
        wanted = SearchFilter()
    may_hear = visit.may(Permission.RECORDINGS_LISTEN)
    with reading(visit.site.store.engine) as connection:
        people = _agents(visit.who.person, accounts.all_users(connection))
        listed = _trackers(connection, visit.who.person) if may_hear else []
        views = savedviews.views_of(connection, visit.who.id, ViewKind.SEARCH)
        who = contacts.get_all(connection, [wanted.contact])[:1] if wanted.contact else []
    return render(
        visit,
        "search.html",
        status=status if error else 200,
        error=error,
        q=q,
        wanted=wanted,
        parameters=wanted.parameters(),
        results=results,
        is_first=is_first,
        may_hear=may_hear,
        progress=_progress(visit) if may_hear else None,
        views=views,
        who=who[0] if who else None,
        agents=people,
        trackers=listed,
        places=by_name(every_place(visit.site.rules, visit.language)),
        proofs=visit.said(PROOFS),
        speakers=visit.said(SPEAKERS),
        talks=visit.said(TALKS),
        clock=clock,
    )


def _progress(visit: Visit) -> tuple[int, int] | None:
    """How many recordings can be searched, of how many; None where it is all of them."""
    try:
        if not visit.site.store.search.is_awaiting():
            return None
        there, awaited = visit.site.store.search.progress()
    except Unavailable:
        return (0, 0)
    return there, there + awaited


def _agents(person: Person, everybody: Sequence[accounts.User]) -> list[tuple[str, str]]:
    """Whose calls somebody may hear besides their own, by name."""
    listens = Permission.RECORDINGS_LISTEN
    if person.reach(listens) <= Reach.OWN:
        return []
    return [
        (each.id, each.name) for each in everybody if person.reaches(listens, each.id, each.team)
    ]


def _trackers(connection: sa.Connection, person: Person) -> list[tuple[str, str]]:
    """Trackers that look at calls of a person's reach, by name."""
    query = sa.select(trackers.c.id, trackers.c.name).where(trackers.c.ended_at.is_(None))
    if person.reach(Permission.RECORDINGS_LISTEN) is not Reach.ALL:
        query = query.where(sa.or_(trackers.c.team.is_(None), trackers.c.team == person.team))
    rows = connection.execute(query.order_by(trackers.c.name))
    return [(row.id, row.name) for row in rows]
