"""Standing consents over HTTP: listed, filed, opened and withdrawn.

What was signed comes and goes in bodies; ids alone stand in addresses, messages and logs.
"""

from __future__ import annotations

import base64
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from askfirst.errors import InvalidRequest, NotFound
from askfirst.model import Element, Purpose, Use
from askfirst.server import contacts, standingconsents
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.contactcard import standard
from askfirst.server.database import reading, transaction
from askfirst.server.standingconsents import Filing, StandingConsent, Why
from askfirst.web.bodies import Body
from askfirst.web.visit import Visit, permitted

router = APIRouter(tags=["contacts"])

Reader = Annotated[Visit, Depends(permitted(Permission.CONTACTS_READ))]
Filer = Annotated[Visit, Depends(permitted(Permission.CONSENTS_FILE))]
Withdrawer = Annotated[Visit, Depends(permitted(Permission.CONSENTS_WITHDRAW))]

_ONE = "/contacts/{contact}/standing-consents/{standing}"


class NewStandingConsent(Body):
    """A consent to be filed: exactly one of `document` (base64) and `filed_at`.

    Without `ends_on` it holds for the usual time, without `numbers` for all of the contact.
    """

    purposes: list[Purpose]
    uses: list[Use]
    elements: list[Element]
    language: str
    given_on: date
    ends_on: date | None = None
    numbers: list[str] = Field(default_factory=list)
    document: str | None = None
    filed_at: str = ""


class Withdrawal(Body):
    """Why a consent is withdrawn: asked, replaced or mistake."""

    why: Why = Why.ASKED


@router.get("/contacts/{contact}/standing-consents")
def list_standing(visit: Reader, contact: str) -> dict[str, object]:
    """What a contact has agreed to in writing, the newest first, with how each stands today."""
    store = visit.site.store
    with reading(store.engine) as connection:
        numbers = [each.number for each in contacts.get(connection, contact).numbers]
        found = standingconsents.of_contact(store.erasures, connection, contact)
    return {"standing_consents": [shown(visit, each, numbers) for each in found]}


@router.post("/contacts/{contact}/standing-consents", status_code=201)
def file_standing(visit: Filer, contact: str, wanted: NewStandingConsent) -> dict[str, object]:
    """File what a contact has signed; calls that begin later may rest on it."""
    filing = Filing(
        purposes=frozenset(wanted.purposes),
        uses=frozenset(wanted.uses),
        elements=frozenset(wanted.elements),
        language=wanted.language,
        given_on=wanted.given_on,
        ends_on=wanted.ends_on,
        numbers=tuple(_number(visit, each) for each in wanted.numbers),
        document=_decoded(wanted.document),
        filed_at=wanted.filed_at,
    )
    store = visit.site.store
    made = standingconsents.file(store, contact, filing, visit.who.id, utc_now())
    with reading(store.engine) as connection:
        numbers = [each.number for each in contacts.get(connection, contact).numbers]
    return shown(visit, made, numbers)


@router.post(f"{_ONE}/withdraw")
def withdraw_standing(
    visit: Withdrawer, contact: str, standing: str, wanted: Withdrawal | None = None
) -> dict[str, object]:
    """Withdraw a consent; calls that rest on it stop being recorded at once."""
    withdrawn(visit, contact, standing, (wanted or Withdrawal()).why)
    store = visit.site.store
    with reading(store.engine) as connection:
        numbers = [each.number for each in contacts.get(connection, contact).numbers]
        found = standingconsents.get(store.erasures, connection, standing)
    return shown(visit, found, numbers)


@router.get(f"{_ONE}/document")
def standing_document(visit: Filer, contact: str, standing: str) -> Response:
    """What was signed, or where it is filed; that it was opened is in the ledger first."""
    return document_answer(visit, contact, standing)


# For pages too


def withdrawn(visit: Visit, contact: str, standing: str, why: Why) -> None:
    """Withdraw a consent of a contact. Raises NotFound, InvalidRequest for another reason."""
    if why not in standingconsents.BY_HAND:
        raise InvalidRequest("why: expected asked, replaced or mistake", key="why")
    store = visit.site.store
    with transaction(store.engine) as connection:
        _ensure_of(visit, standingconsents.get(store.erasures, connection, standing), contact)
        standingconsents.withdraw(store, connection, standing, why, visit.who.id, utc_now())


def document_answer(visit: Visit, contact: str, standing: str) -> Response:
    """A signed document as a file to be kept or looked at elsewhere. Raises NotFound."""
    store = visit.site.store
    with reading(store.engine) as connection:
        _ensure_of(visit, standingconsents.get(store.erasures, connection, standing), contact)
    found, content = standingconsents.open_document(store, standing, visit.who.id, utc_now())
    headers = {
        # Never shown in our own pages: it came from outside.
        "content-disposition": f'attachment; filename="{found.id}.{found.form.ending}"',
        "cache-control": "no-store",
    }
    return Response(content, media_type=found.form.media_type, headers=headers)


def shown(visit: Visit, consent: StandingConsent, numbers: list[str]) -> dict[str, object]:
    """A consent as programs read it; `numbers` are those of its contact."""
    mark, scope = visit.site.store.erasures.number_mark, consent.scope
    return {
        "id": consent.id,
        "contact": consent.contact,
        "state": consent.standing(utc_now().date()).value,
        "numbers": [each for each in numbers if mark(each) in consent.marks],
        "purposes": sorted(scope.purposes),
        "uses": sorted(scope.uses),
        "elements": sorted(scope.elements),
        "language": consent.language,
        "given_on": scope.given_on,
        "ends_on": scope.ends_on,
        "form": consent.form.value,
        "filed_by": consent.filed_by,
        "filed_at": consent.filed_at,
        "withdrawn_at": consent.withdrawn_at,
        "withdrawn_by": consent.withdrawn_by,
        "withdrawn_why": consent.withdrawn_why,
    }


def _ensure_of(visit: Visit, consent: StandingConsent, contact: str) -> None:
    if consent.contact != contact:
        raise NotFound("this contact has no standing consent of this id")


def _number(visit: Visit, text: str) -> str:
    found = standard(text, visit.account.region)
    if found is None:
        raise InvalidRequest("numbers: found no telephone number", key="numbers")
    return found


def _decoded(text: str | None) -> bytes | None:
    try:
        return None if text is None else base64.b64decode(text, validate=True)
    except ValueError as error:
        raise InvalidRequest("document: expected the file in base64", key="document") from error
