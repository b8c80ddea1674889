"""Contacts on pages: looked for, added, imported after a look at the bad lines, and forecast."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Form
from pydantic import BaseModel
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput, InvalidRequest, Refused
from askfirst.model import POLICY, UNKNOWN, Source
from askfirst.server import accounts, audit, contacts, followups
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.contactcalls import calls_with
from askfirst.server.contactcard import SOURCES, Contact
from askfirst.server.contactimport import Report
from askfirst.server.contactsearch import Page as SearchPage
from askfirst.server.contactsearch import count, find
from askfirst.server.database import reading, transaction
from askfirst.server.followuplist import reached_of
from askfirst.server.forecast import Answer, Outlook, Prospect, answer_of
from askfirst.web import words
from askfirst.web.api_contacts import (
    NewContact,
    NewNumber,
    NewPlace,
    Reader,
    Upload,
    Writer,
    added,
    archived,
    foretold,
    imported,
    objected,
    outlook_of,
    search_of,
    upload,
)
from askfirst.web.callwords import HOWS, KINDS, OUTCOMES
from askfirst.web.page import render
from askfirst.web.pages_standing import section
from askfirst.web.placewords import by_name, every_place
from askfirst.web.settingwords import NOTICE_LANGUAGES
from askfirst.web.visit import Visit

router = APIRouter()

Text = Annotated[str, Form()]

PAGE = 50
MOST_LINES_SHOWN = 200

SOURCE_WORDS: Mapping[str, str] = {
    Source.STATED: words.mark("they said so"),
    Source.ADDRESS: words.mark("their address"),
    Source.GIVEN: words.mark("a colleague noted it"),
}
ANSWERS: Mapping[Answer, str] = {
    Answer.AT_ONCE: words.mark("Recorded at once"),
    Answer.TOLD: words.mark("Told first"),
    Answer.ASKED: words.mark("Asked first"),
    Answer.FORBIDDEN: words.mark("Never recorded"),
}
REMARKS: Mapping[str, str] = {
    "encoding": words.mark("characters that cannot be read"),
    "control": words.mark("characters that are no text"),
    "too-long": words.mark("longer than a line may be"),
    "quotes": words.mark("a quotation mark is missing"),
    "cells": words.mark("more cells than the header has names"),
    "no-number": words.mark("no telephone number; write it with + and the country code"),
    "archived": words.mark("the contact with this number is archived"),
    "two-contacts": words.mark("its numbers belong to several contacts"),
    "number": words.mark("taken, but a cell that is no number was left out"),
    "place": words.mark("taken, but there is no such country or state"),
    "name": words.mark("the name cannot be kept"),
    "company": words.mark("the company cannot be kept"),
    "email": words.mark("the e-mail address is none"),
    "notes": words.mark("the notes cannot be kept"),
    "numbers": words.mark("more numbers than a contact may have"),
    "places": words.mark("more places than a contact may have"),
}


class ContactForm(BaseModel):
    """The form for a new contact as it was filled in."""

    name: str = ""
    company: str = ""
    email: str = ""
    number: str = ""
    place: str = ""
    language: str = ""
    notes: str = ""


@router.get("/contacts")
def contacts_page(
    visit: Reader,
    q: str = "",
    place: str = "",
    mode: str = "",
    archived: bool = False,
    before: str | None = None,
) -> Response:
    """Contacts by name, filtered by words, place and rule; archived ones by themselves."""
    search = search_of(visit, q, place, mode, archived=archived)
    outlook = outlook_of(visit)
    error, found, total = None, SearchPage((), None), 0
    with reading(visit.site.store.engine) as connection:
        try:
            found = find(connection, search, after=before, limit=PAGE, outlook=outlook)
            total = count(connection, search, outlook)
        except InvalidInput as problem:
            error = visit.told(problem)
    return render(
        visit,
        "contacts.html",
        status=422 if error else 200,
        lines=[_line(each, outlook) for each in found.contacts],
        after=found.after,
        total=total,
        wanted={"q": q[:200], "place": place[:20], "mode": mode[:20], "archived": archived},
        places=_places(visit),
        place_name=_namer(visit),
        may_write=visit.may(Permission.CONTACTS_WRITE),
        may_call=visit.may(Permission.CALLS_MAKE),
        error=error,
    )


@router.get("/contacts/new")
def new_page(visit: Writer) -> Response:
    """A form for one more contact."""
    return _new(visit, ContactForm())


@router.post("/contacts/new")
def add_contact(visit: Writer, form: Annotated[ContactForm, Form()]) -> Response:
    """Add a contact, or show the form again with what is wrong."""
    try:
        wanted = NewContact(**form.model_dump(exclude={"number", "place"}))
        # Assigned only where filled in: an empty field is no number.
        if form.number.strip():
            wanted.numbers = [NewNumber(number=form.number)]
        if form.place:
            wanted.places = [NewPlace(code=form.place)]
        made = added(visit, wanted)
    except (InvalidInput, Refused) as error:
        key = error.key if isinstance(error, InvalidRequest) else "taken"
        return _new(visit, form, error=visit.told(error), wrong=key)
    return RedirectResponse(f"/contacts/{made.id}", status_code=303)


@router.get("/contacts/import")
def import_page(visit: Writer) -> Response:
    """A form for a CSV file."""
    return _import(visit)


@router.post("/contacts/import")
def import_file(visit: Writer, file: Annotated[Upload, Depends(upload)]) -> Response:
    """Show what an import would do, bad lines first, and write when that was confirmed."""
    try:
        report = imported(visit, file.content, write=file.write)
    except InvalidInput as error:
        return _import(visit, error=visit.told(error))
    content = "" if file.write else base64.b64encode(file.content).decode("ascii")
    return _import(visit, report=report, content=content)


@router.get("/contacts/{contact}")
def one_contact(visit: Reader, contact: str) -> Response:
    """One contact: numbers, places, consents, what is due."""
    return _contact(visit, contact)


@router.post("/contacts/{contact}/never-record")
def never_record(visit: Writer, contact: str, never: Text = "on", why: Text = "") -> Response:
    """Never record the contact, or record again because they said so themselves."""
    try:
        objected(visit, contact, wanted=never != "off", why=why)
    except InvalidInput as error:
        return _contact(visit, contact, error=visit.told(error), why=why)
    return RedirectResponse(f"/contacts/{contact}", status_code=303)


@router.post("/contacts/{contact}/archive")
def archive_contact(visit: Writer, contact: str) -> Response:
    """Take the contact out of lists; its numbers and its "never record" stay."""
    archived(visit, contact, wanted=True)
    return RedirectResponse(f"/contacts/{contact}", status_code=303)


@router.post("/contacts/{contact}/restore")
def restore_contact(visit: Writer, contact: str) -> Response:
    """Put the contact back into lists."""
    archived(visit, contact, wanted=False)
    return RedirectResponse(f"/contacts/{contact}", status_code=303)


@router.post("/contacts/{contact}/places")
def add_place(visit: Writer, contact: str, code: Text = "", source: Text = "") -> Response:
    """One more place of the contact; places only add."""
    now, user = utc_now(), visit.who
    try:
        if source not in SOURCES:
            raise InvalidRequest("expected how the place is known", key="places")
        with transaction(visit.site.store.engine) as connection:
            contacts.learn_place(connection, contact, code, Source(source), user.id, now)
            detail = {"code": code, "source": source}
            audit.note(connection, now, user.id, "contact.place-added", contact, detail)
    except InvalidInput as error:
        return _contact(visit, contact, error=visit.told(error))
    return RedirectResponse(f"/contacts/{contact}", status_code=303)


@router.get("/forecast")
def forecast_page(visit: Reader) -> Response:
    """Of all contacts, how many are recorded at once, told, asked or never, and why."""
    return render(
        visit,
        "forecast.html",
        found=foretold(visit, visit.language),
        answers=[(each, visit.say(text)) for each, text in ANSWERS.items()],
        place_name=_namer(visit),
    )


def _new(
    visit: Visit, values: ContactForm, *, error: str | None = None, wrong: str | None = None
) -> Response:
    return render(
        visit,
        "contact_new.html",
        status=422 if error else 200,
        values=values,
        places=_places(visit),
        languages_of_notices=NOTICE_LANGUAGES,
        error=error,
        wrong=wrong,
    )


def _import(
    visit: Visit, *, report: Report | None = None, content: str = "", error: str | None = None
) -> Response:
    bad = sorted((*report.skipped, *report.remarks), key=lambda e: e.line) if report else []
    lines = [
        (
            each.line,
            visit.say(REMARKS[each.code]) if each.code in REMARKS else visit.told(each.message),
        )
        for each in bad[:MOST_LINES_SHOWN]
    ]
    return render(
        visit,
        "contacts_import.html",
        status=422 if error else 200,
        report=report,
        lines=lines,
        more=len(bad) - len(lines),
        content=content,
        error=error,
    )


def _contact(visit: Visit, contact: str, *, error: str | None = None, why: str = "") -> Response:
    with reading(visit.site.store.engine) as connection:
        found = contacts.get(connection, contact)
        made = calls_with(connection, visit.who.person, contact)
        consents = contacts.consent_history(connection, contact)
        promised = followups.follow_ups_of(connection, contact)
        reached = reached_of(connection, visit.who.person, contact)
        names = accounts.names(connection)
        on_file = section(visit, connection, found)
    return render(
        visit,
        "contact.html",
        **on_file,
        status=422 if error else 200,
        contact=found,
        line=_line(found, outlook_of(visit)),
        consents=consents,
        calls=made,
        outcomes=visit.said(OUTCOMES),
        languages_of_notices=NOTICE_LANGUAGES,
        due=[each for each in promised if each.done_at is None],
        reached=reached,
        names=names,
        kinds=visit.said(KINDS),
        hows=visit.said(HOWS),
        sources=visit.said(SOURCE_WORDS),
        places=_places(visit),
        place_name=_namer(visit),
        may_write=visit.may(Permission.CONTACTS_WRITE),
        may_call=visit.may(Permission.CALLS_MAKE),
        may_read_calls=visit.may(Permission.CALLS_READ),
        why=why,
        error=error,
    )


def _line(contact: Contact, outlook: Outlook) -> dict[str, object]:
    """A contact with the chip of a call to it today."""
    decision = outlook.decision(Prospect(contact.party, contact.never_record))
    answer = answer_of(decision)
    return {
        "contact": contact,
        # Whoever must agree is asked, even where the law would let recording start by itself.
        "mode": "ask" if answer is Answer.ASKED else decision.mode.word,
        "tell": answer is Answer.TOLD,
        "place_known": UNKNOWN not in decision.governing,
    }


def _namer(visit: Visit) -> Callable[[str], str]:
    """Names of places, and of what stands where a place would, in the visit's language."""
    own = {UNKNOWN: visit.say("Place unknown"), POLICY: visit.say("Your own settings")}
    names = {**every_place(visit.site.rules, visit.language), **own}
    return lambda code: names.get(code, code)


def _places(visit: Visit) -> list[tuple[str, str]]:
    return by_name(every_place(visit.site.rules, visit.language))
