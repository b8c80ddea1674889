"""Standing consents on the page of a contact: filed, withdrawn, and opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Form, Request
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput, InvalidRequest, Refused
from askfirst.model import Element, Purpose, Use
from askfirst.server import contacts, standingconsents
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.contactcard import Contact
from askfirst.server.database import reading
from askfirst.server.standingconsents import (
    BY_HAND,
    MOST_DAYS,
    USUAL_DAYS,
    Filing,
    Standing,
    StandingConsent,
    Why,
)
from askfirst.server.standingdocument import LARGEST
from askfirst.server.standingscope import PAPER_ELEMENTS, PAPER_USES
from askfirst.web.api_standing import Filer, Withdrawer, document_answer, withdrawn
from askfirst.web.bodies import day, plain
from askfirst.web.page import render
from askfirst.web.retentionwords import PURPOSES
from askfirst.web.settingwords import ELEMENTS, NOTICE_LANGUAGES
from askfirst.web.standingwords import FORMS, STANDINGS, USES, WHYS
from askfirst.web.visit import Visit

router = APIRouter()

SOON_DAYS, VERY_SOON_DAYS = 30, 7
"""How long before its end a consent is marked, and marked more."""

_FORM_BYTES = 64 * 1024  # what a form adds to the file in it
_LISTS = ("numbers", "purposes", "uses", "elements")
_WORDS = ("language", "given_on", "ends_on", "filed_at")


@dataclass(frozen=True, slots=True)
class Filled:
    """The form as it was filled in; `document` is the file that came with it."""

    chosen: dict[str, list[str]]
    texts: dict[str, str]
    document: bytes | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A consent as the page of its contact lists it; `days_left` only where it ends soon."""

    consent: StandingConsent
    standing: Standing
    numbers: Sequence[str]
    purposes: Sequence[str]
    uses: Sequence[str]
    elements: Sequence[str]
    days_left: int | None

    @property
    def is_over(self) -> bool:
        """Whether nothing can be withdrawn of it any more."""
        return self.standing in (Standing.WITHDRAWN, Standing.EXPIRED)


async def filled(request: Request) -> Filled:
    """The form with its file, read no further than a document may be large."""
    length = request.headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()) or int(length) > LARGEST + _FORM_BYTES:
        most = LARGEST // 1024 // 1024
        raise InvalidInput(f"found a file over {most} MB; write where the paper is filed instead")
    async with request.form(max_files=1, max_fields=100) as form:
        file = form.get("document")
        chosen = {key: [str(each) for each in form.getlist(key)] for key in _LISTS}
        texts = {key: str(form.get(key, "")).strip() for key in _WORDS}
        plain({**chosen, **texts})
        content = await file.read() if isinstance(file, UploadFile) else b""
    return Filled(chosen, texts, content or None)


@router.get("/contacts/{contact}/standing-consents/new")
def new_page(visit: Filer, contact: str) -> Response:
    """A form for what the contact has signed; what a recording needs is chosen already."""
    with reading(visit.site.store.engine) as connection:
        found = contacts.get(connection, contact)
    purpose = visit.account.policy().purpose
    chosen = {
        "numbers": [each.number for each in found.numbers],
        "purposes": [] if purpose is None else [purpose.value],
        "uses": [Use.RECORD.value, Use.TRANSCRIBE.value, Use.ANALYSE.value],
        "elements": [],
    }
    today = utc_now().date()
    texts = {
        "language": found.language or visit.account.language,
        "given_on": today.isoformat(),
        "ends_on": (today + timedelta(days=USUAL_DAYS)).isoformat(),
        "filed_at": "",
    }
    return _form(visit, found, Filled(chosen, texts))


@router.post("/contacts/{contact}/standing-consents")
def file(visit: Filer, contact: str, form: Annotated[Filled, Depends(filled)]) -> Response:
    """File a consent, or show the form again with what is wrong."""
    store = visit.site.store
    try:
        standingconsents.file(store, contact, _filing(form), visit.who.id, utc_now())
    except (InvalidInput, Refused) as error:
        with reading(store.engine) as connection:
            found = contacts.get(connection, contact)
        wrong = error.key if isinstance(error, InvalidRequest) else "contact"
        return _form(visit, found, form, error=visit.told(error), wrong=wrong)
    return RedirectResponse(f"/contacts/{contact}#standing", status_code=303)


@router.post("/contacts/{contact}/standing-consents/{standing}/withdraw")
def withdraw(
    visit: Withdrawer, contact: str, standing: str, why: Annotated[Why, Form()] = Why.ASKED
) -> Response:
    """Withdraw a consent; calls that rest on it stop being recorded at once."""
    withdrawn(visit, contact, standing, why)
    return RedirectResponse(f"/contacts/{contact}#standing", status_code=303)


@router.get("/contacts/{contact}/standing-consents/{standing}/document")
def document(visit: Filer, contact: str, standing: str) -> Response:
    """What was signed, as a file; that it was opened is in the ledger first."""
    return document_answer(visit, contact, standing)


def section(visit: Visit, connection: sa.Connection, contact: Contact) -> dict[str, Any]:
    """What the page of a contact shows of its standing consents."""
    erasures, today = visit.site.store.erasures, utc_now().date()
    purposes, uses, elements = visit.said(PURPOSES), visit.said(USES), visit.said(ELEMENTS)
    marks = {erasures.number_mark(each.number): each.number for each in contact.numbers}
    lines = []
    for each in standingconsents.of_contact(erasures, connection, contact.id):
        standing, left = each.standing(today), (each.scope.ends_on - today).days
        is_soon = standing is Standing.HOLDS and left <= SOON_DAYS
        lines.append(
            Line(
                each,
                standing,
                numbers=[number for mark, number in marks.items() if mark in each.marks],
                purposes=[purposes[word] for word in Purpose if word in each.scope.purposes],
                uses=[uses[word] for word in PAPER_USES if word in each.scope.uses],
                elements=[elements[word] for word in PAPER_ELEMENTS if word in each.scope.elements],
                days_left=left if is_soon else None,
            )
        )
    return {
        "standing": lines,
        "very_soon": VERY_SOON_DAYS,
        "standings": visit.said(STANDINGS),
        "paper_forms": visit.said(FORMS),
        "ends": visit.said(WHYS),
        "reasons": [(each.value, visit.say(WHYS[each])) for each in BY_HAND],
        "may_file": visit.may(Permission.CONSENTS_FILE),
        "may_withdraw": visit.may(Permission.CONSENTS_WITHDRAW),
    }


def _filing(form: Filled) -> Filing:
    given_on = day(form.texts["given_on"], "given_on")
    if given_on is None:
        raise InvalidRequest("given_on: expected the day of the signature", key="given_on")
    try:
        purposes = frozenset(map(Purpose, form.chosen["purposes"]))
        uses = frozenset(map(Use, form.chosen["uses"]))
        elements = frozenset(map(Element, form.chosen["elements"]))
    except ValueError as error:
        raise InvalidRequest(
            "elements: found a word that is none of the list", key="elements"
        ) from error
    if not form.chosen["numbers"]:
        raise InvalidRequest("numbers: expected at least one number", key="numbers")
    return Filing(
        purposes=purposes,
        uses=uses,
        elements=elements,
        language=form.texts["language"],
        given_on=given_on,
        ends_on=day(form.texts["ends_on"], "ends_on"),
        numbers=tuple(form.chosen["numbers"]),
        document=form.document,
        filed_at=form.texts["filed_at"],
    )


def _form(
    visit: Visit, contact: Contact, form: Filled, *, error: str = "", wrong: str = ""
) -> Response:
    purposes, uses, elements = visit.said(PURPOSES), visit.said(USES), visit.said(ELEMENTS)
    return render(
        visit,
        "standing_new.html",
        status=422 if error else 200,
        contact=contact,
        chosen=form.chosen,
        texts=form.texts,
        purposes=[(each.value, purposes[each]) for each in Purpose],
        uses=[(each.value, uses[each]) for each in PAPER_USES],
        elements=[(each.value, elements[each]) for each in PAPER_ELEMENTS],
        languages_of_notices=NOTICE_LANGUAGES,
        largest=LARGEST // 1024 // 1024,
        most_days=MOST_DAYS,
        error=error,
        wrong=wrong,
    )
