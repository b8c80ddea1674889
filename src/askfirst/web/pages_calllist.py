"""The list of calls: its filters, a search for people, and the views that somebody keeps.

Filters stand in the address, as ids and codes. What somebody types about a person, a name or a
number, is sent in a body and stands in no address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput
from askfirst.model import Proof, Verdict
from askfirst.server import (
    accounts,
    contacts,
    learntfilter,
    savedviews,
    trackerhits,
    trackerlist,
)
from askfirst.server.access import Permission, Reach
from askfirst.server.callfilter import CallFilter, filter_of
from askfirst.server.callreader import CallLine, Wanted, call_lines
from askfirst.server.clock import utc_now
from askfirst.server.contactcard import standard
from askfirst.server.contactsearch import Search, find
from askfirst.server.database import reading, transaction
from askfirst.web import callwords, words
from askfirst.web.page import render
from askfirst.web.placewords import every_place
from askfirst.web.recordingview import clock
from askfirst.web.visit import Visit, permitted

router = APIRouter()

Reader = Annotated[Visit, Depends(permitted(Permission.CALLS_READ))]

PAGE = 50
MOST_PEOPLE = 100
"""Contacts whose calls one search shows, at most."""

MODES: Mapping[str, str] = {
    "auto": words.mark("May record"),
    "ask": words.mark("Ask first"),
    "forbid": words.mark("Do not record"),
}
VERDICTS: Mapping[str, str] = {
    Verdict.HEARD: words.mark("Notice heard"),
    Verdict.PARTLY: words.mark("Notice partly heard"),
    Verdict.NOT_HEARD: words.mark("Notice not heard"),
    Verdict.CANNOT_TELL: words.mark("Cannot be told"),
    Verdict.NOT_NEEDED: words.mark("No notice to check"),
}
PROOFS: Mapping[str, str] = {
    str(int(Proof.AGENT_WORD)): words.mark("Agent’s word"),
    str(int(Proof.NOTICE_HEARD)): words.mark("Notice heard in the transcript"),
    str(int(Proof.ANNOUNCED)): words.mark("Announcement played to its end"),
    str(int(Proof.KEY)): words.mark("Key pressed"),
    str(int(Proof.SPOKEN)): words.mark("Spoken yes"),
    str(int(Proof.WRITTEN)): words.mark("In writing, on file"),
}


class FilterForm(BaseModel):
    """What a form of the list sends: the filters, named as `CallFilter` names them, and its own."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, str]

    @property
    def filters(self) -> dict[str, str]:
        """The filters as they were sent; an empty one does not narrow."""
        given = self.model_extra or {}
        return {each.name: given.get(each.name, "") for each in fields(CallFilter)}


class SearchForm(FilterForm):
    """A name or number to look for within the filters, and the call to go on behind."""

    q: str = ""
    before: str = ""


class ViewForm(FilterForm):
    """A filter and the name that it is kept under."""

    name: str = ""


@router.get("/calls")
def calls(visit: Reader, request: Request, before: str | None = None) -> Response:
    """The newest calls that somebody may read, narrowed by the address's parameters."""
    return _list(visit, request.query_params, before=before)


@router.post("/calls")
def find_calls(visit: Reader, form: Annotated[SearchForm, Form()]) -> Response:
    """Calls with the people whom a name or number fits; one contact becomes part of the address."""
    given = form.filters
    text = form.q.strip()
    if not text:
        return RedirectResponse(_address(given), status_code=303)
    region = visit.account.region
    number = standard(text, region)
    try:
        with reading(visit.site.store.engine) as connection:
            search = Search(text, default_region=region)
            found = find(connection, search, limit=MOST_PEOPLE)
    except InvalidInput as problem:
        return _list(visit, given, q=text, error=visit.told(problem))
    if len(found.contacts) == 1:
        return RedirectResponse(
            _address({**given, "contact": found.contacts[0].id}), status_code=303
        )
    numbers = {each.number for person in found.contacts for each in person.numbers}
    numbers |= {number} if number is not None else set()
    too_many = visit.say("Too many people fit. Write more of the name.") if found.after else None
    return _list(
        visit,
        given,
        before=form.before or None,
        q=text,
        numbers=frozenset(numbers),
        error=too_many,
    )


@router.post("/calls/views")
def keep_view(visit: Reader, form: Annotated[ViewForm, Form()]) -> Response:
    """Keep a filter under a name."""
    given = form.filters
    try:
        with transaction(visit.site.store.engine) as connection:
            savedviews.keep(connection, visit.who.id, form.name, given, utc_now())
    except InvalidInput as error:
        return _list(visit, given, error=visit.told(error))
    return RedirectResponse(_address(given), status_code=303)


@router.post("/calls/views/{view}/delete")
def delete_view(visit: Reader, view: str) -> Response:
    """Delete one of one's own views."""
    with transaction(visit.site.store.engine) as connection:
        savedviews.drop(connection, visit.who.id, view)
    return RedirectResponse("/calls", status_code=303)


def _list(
    visit: Visit,
    given: Mapping[str, str],
    *,
    before: str | None = None,
    q: str = "",
    numbers: frozenset[str] | None = None,
    error: str | None = None,
) -> Response:
    """A page of the list. A filter that is none shows nothing, and says what is wrong with it."""
    wanted, lines = CallFilter(), list[CallLine]()
    person, rules, today = visit.who.person, visit.site.rules, utc_now().date()
    with reading(visit.site.store.engine) as connection:
        try:
            wanted = filter_of(given)
            fits = learntfilter.conditions(connection, rules, person, wanted, today)
            narrowed = Wanted(
                before=before, most=PAGE, also=wanted, numbers=numbers, zone=visit.zone, fits=fits
            )
            lines = call_lines(connection, person, narrowed)
        except InvalidInput as problem:
            error = visit.told(problem)
        talk = learntfilter.talk_filter(connection, rules, person, today)
        trackers = trackerlist.named(connection, person)
        first = trackerhits.first_names(connection, person, [each.id for each in lines])
        agents = _agents(visit, accounts.all_users(connection))
        views = savedviews.views_of(connection, visit.who.id)
        who = contacts.get_all(connection, [wanted.contact])[:1] if wanted.contact else []
    parameters = wanted.parameters()
    return render(
        visit,
        "calls.html",
        status=422 if error else 200,
        error=error,
        lines=lines,
        wanted=wanted,
        parameters=parameters,
        before=before,
        q=q,
        who=who[0] if who else None,
        agents=agents,
        views=[(each, _address(each.filters), each.filters == parameters) for each in views],
        older=lines[-1].id if len(lines) == PAGE else None,
        older_address=_address({**parameters, "before": lines[-1].id if lines else ""}),
        clear_contact=_address({**parameters, "contact": ""}),
        outcomes=visit.said(callwords.OUTCOMES),
        modes=visit.said(MODES),
        proofs=visit.said(PROOFS),
        verdicts=visit.said(VERDICTS),
        clock=clock,
        talk=talk,
        hidden_places=_places(visit, talk.missing),
        trackers=trackers,
        first=first,
    )


def _places(visit: Visit, codes: Sequence[str]) -> str:
    known = every_place(visit.site.rules, visit.language)
    return ", ".join(known.get(each, each) for each in codes if each)


def _agents(visit: Visit, everybody: list[accounts.User]) -> list[tuple[str, str]]:
    """Whose calls somebody reaches besides their own, by name; none for those with their own."""
    person = visit.who.person
    if person.reach(Permission.CALLS_READ) <= Reach.OWN:
        return []
    return [
        (each.id, each.name)
        for each in everybody
        if person.reaches(Permission.CALLS_READ, each.id, each.team)
    ]


def _address(filters: Mapping[str, str]) -> str:
    kept = {key: value for key, value in filters.items() if value}
    return f"/calls?{urlencode(kept)}" if kept else "/calls"
