"""Contacts over HTTP: looked for, written, archived, imported, never recorded, and forecast.

Bodies and answers carry numbers; addresses, messages and the audit log carry ids only.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field
from starlette.datastructures import UploadFile

from askfirst.errors import InvalidInput
from askfirst.model import Mode, Source
from askfirst.server import audit, contacts, objections
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.contactcard import Contact, Draft, KnownPlace, Number
from askfirst.server.contactimport import Report, import_contacts
from askfirst.server.contactsearch import Search, find, prospects
from askfirst.server.database import reading, transaction
from askfirst.server.forecast import Forecast, Outlook, forecast
from askfirst.web.bodies import Body
from askfirst.web.visit import Visit, permitted

router = APIRouter(tags=["contacts"])

Reader = Annotated[Visit, Depends(permitted(Permission.CONTACTS_READ))]
Writer = Annotated[Visit, Depends(permitted(Permission.CONTACTS_WRITE))]

LARGEST_IMPORT = 5 * 1024 * 1024
# A file that comes back for writing is base64 in a form, a third longer than the file itself.
_LONGEST_FORM = LARGEST_IMPORT * 3 // 2
WORDS = ("name", "company", "email", "notes", "owner", "language")
CSV_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}
}


async def csv_body(request: Request) -> bytes:
    """The body, read no further than an import may be long."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > LARGEST_IMPORT:
            raise too_large()
    return bytes(content)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a form, and whether it is to be written."""

    content: bytes
    write: bool


async def upload(request: Request) -> Upload:
    """The file of the import form, chosen now or brought back by the report."""
    length = request.headers.get("content-length", "")
    if not length.isascii() or not length.isdigit() or int(length) > _LONGEST_FORM:
        raise too_large()
    async with request.form(max_files=1, max_fields=5, max_part_size=_LONGEST_FORM) as form:
        file, again = form.get("file"), form.get("content")
        if isinstance(file, UploadFile):
            return Upload(await file.read(), write=False)
        try:
            return Upload(base64.b64decode(str(again or ""), validate=True), write=True)
        except ValueError:
            return Upload(b"", write=False)


CsvBody = Annotated[bytes, Depends(csv_body)]


class NewNumber(Body):
    """A number in any usual spelling; without a primary one the first is dialled."""

    number: str
    label: str = ""
    primary: bool = False


class NewPlace(Body):
    """A place that a contact is in, and how that is known."""

    code: str
    source: Source = Source.GIVEN


class NewContact(Body):
    """A contact to be added; without an owner it is that of whoever adds it."""

    name: str = ""
    company: str = ""
    email: str = ""
    notes: str = ""
    language: str = ""
    owner: str | None = None
    numbers: list[NewNumber] = Field(default_factory=list)
    places: list[NewPlace] = Field(default_factory=list)


class Objection(Body):
    """Why a contact is never recorded, in words of whoever writes it down."""

    why: str = ""


class ChangedContact(NewContact):
    """What is to be different; places are added, and `archived` can only be taken back."""

    archived: Literal[False] = False


@router.get("/contacts")
def list_contacts(
    visit: Reader,
    q: str = "",
    place: str | None = None,
    mode: Literal["auto", "ask", "forbid"] | None = None,
    before: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, object]:
    """Contacts by name; `next` is the `before` of the next page."""
    search = search_of(visit, q, place, mode)
    with reading(visit.site.store.engine) as connection:
        found = find(connection, search, after=before, limit=limit, outlook=outlook_of(visit))
    return {"contacts": [shown(each) for each in found.contacts], "next": found.after}


@router.post("/contacts", status_code=201)
def add_contact(visit: Writer, wanted: NewContact) -> dict[str, object]:
    """Add a contact; a number that another contact has is refused."""
    return shown(added(visit, wanted))


@router.post("/contacts/import", openapi_extra=CSV_BODY)
def import_csv(visit: Writer, content: CsvBody, write: bool = False) -> dict[str, object]:
    """Take contacts in from CSV; without `write` only say what would happen, line by line."""
    return asdict(imported(visit, content, write=write))


@router.get("/contacts/{contact}")
def one_contact(visit: Reader, contact: str) -> dict[str, object]:
    """One contact, with what it was told, agreed to, refused and withdrew."""
    with reading(visit.site.store.engine) as connection:
        found = contacts.get(connection, contact)
        consents = contacts.consent_history(connection, contact)
    return {**shown(found), "consents": [asdict(each) for each in consents]}


@router.patch("/contacts/{contact}")
def change_contact(visit: Writer, contact: str, wanted: ChangedContact) -> dict[str, object]:
    """Change what the body names and nothing else; places are added to those that are known."""
    now, user = utc_now(), visit.who
    with transaction(visit.site.store.engine) as connection:
        if "archived" in wanted.model_fields_set:
            contacts.restore(connection, contact, now)
        draft = _drafted(contacts.get(connection, contact).draft, wanted, user.id, now)
        found = contacts.change(
            connection, contact, draft, now, default_region=visit.account.region
        )
        if objections.take_over(visit.site.store, connection, user.id, now):
            found = contacts.get(connection, contact)
        fields = sorted(wanted.model_fields_set)
        audit.note(connection, now, user.id, "contact.changed", contact, {"fields": fields})
    return shown(found)


@router.delete("/contacts/{contact}")
def archive_contact(visit: Writer, contact: str) -> dict[str, object]:
    """Take a contact out of lists; its numbers and its "never record" stay."""
    return shown(archived(visit, contact, wanted=True))


@router.post("/contacts/{contact}/never-record")
def never_record(visit: Writer, contact: str, wanted: Objection | None = None) -> dict[str, object]:
    """Record no call with this contact from now on, whatever the law would allow."""
    return shown(objected(visit, contact, wanted=True, why=wanted.why if wanted else ""))


@router.delete("/contacts/{contact}/never-record")
def may_record_again(visit: Writer, contact: str) -> dict[str, object]:
    """The contact has said that calls may be recorded again."""
    return shown(objected(visit, contact, wanted=False))


@router.get("/forecast")
def show_forecast(visit: Reader) -> dict[str, object]:
    """How many contacts may be recorded at once, are told, are asked, or are never recorded."""
    return asdict(foretold(visit))


# For pages too


def outlook_of(visit: Visit) -> Outlook:
    """What calls of the visit's person would be decided by today."""
    where = visit.who.place or visit.account.home_place
    return Outlook(where, visit.account.policy(), utc_now().date(), visit.site.rules)


def search_of(
    visit: Visit, text: str, place: str | None, mode: str | None, *, archived: bool = False
) -> Search:
    """What to look for; empty words do not narrow."""
    chosen = next((each for each in Mode if each.word == mode), None)
    region = visit.account.region
    return Search(text, place or None, chosen, archived=archived, default_region=region)


def added(visit: Visit, wanted: NewContact) -> Contact:
    """A new contact, added by the visit's person; raises as `contacts.add`."""
    now, user = utc_now(), visit.who
    draft = _drafted(Draft(owner=user.id), wanted, user.id, now)
    with transaction(visit.site.store.engine) as connection:
        made = contacts.add(connection, draft, now, default_region=visit.account.region)
        objections.take_over(visit.site.store, connection, user.id, now)
        audit.note(connection, now, user.id, "contact.added", made)
        return contacts.get(connection, made)


def archived(visit: Visit, contact: str, *, wanted: bool) -> Contact:
    """The contact after it was taken out of lists, or put back into them."""
    now, user = utc_now(), visit.who
    carry_out = contacts.archive if wanted else contacts.restore
    with transaction(visit.site.store.engine) as connection:
        before = contacts.get(connection, contact)
        carry_out(connection, contact, now)
        if (before.archived_at is not None) is not wanted:
            action = "contact.archived" if wanted else "contact.restored"
            audit.note(connection, now, user.id, action, contact)
        return contacts.get(connection, contact)


def objected(visit: Visit, contact: str, *, wanted: bool, why: str = "") -> Contact:
    """The contact after it was said that no call, or again every call, may be recorded."""
    now, user = utc_now(), visit.who
    action = "contact.never-record" if wanted else "contact.may-record-again"
    with transaction(visit.site.store.engine) as connection:
        before = contacts.get(connection, contact)
        if wanted:
            objections.never(visit.site.store, connection, contact, user.id, now, why)
        else:
            objections.end(visit.site.store.erasures, connection, contact, user.id, now)
        if before.never_record is not wanted:
            audit.note(connection, now, user.id, action, contact)
        return contacts.get(connection, contact)


def imported(visit: Visit, content: bytes, *, write: bool) -> Report:
    """What an import does or would do; raises InvalidInput for a file that is too large."""
    if len(content) > LARGEST_IMPORT:
        raise too_large()
    now, user, engine = utc_now(), visit.who, visit.site.store.engine
    if write:
        # Noted first: an import that breaks off has written its first contacts all the same.
        with transaction(engine) as connection:
            audit.note(connection, now, user.id, "contacts.import-began")
    region = visit.account.region
    report = import_contacts(
        engine, content, now, by=user.id, owner=user.id, default_region=region, write=write
    )
    if write:
        numbers = {key: len(getattr(report, key)) for key in ("added", "updated", "skipped")}
        with transaction(engine) as connection:
            objections.take_over(visit.site.store, connection, user.id, now)
            audit.note(connection, now, user.id, "contacts.imported", detail=numbers)
    return report


def foretold(visit: Visit, language: str = "en") -> Forecast:
    """The forecast for calls of the visit's person to every contact, reasons in a language."""
    outlook = outlook_of(visit)
    with reading(visit.site.store.engine) as connection:
        people = prospects(connection)
        return forecast(
            people, outlook.agent_place, outlook.policy, outlook.rules, outlook.on, language
        )


def too_large() -> InvalidInput:
    """The error for a file that nobody reads to its end."""
    most = LARGEST_IMPORT // 1024 // 1024
    return InvalidInput(f"the file is larger than {most} MB; import it in parts")


def shown(contact: Contact) -> dict[str, object]:
    """A contact as programs read it."""
    numbers = [
        {"number": each.number, "label": each.label, "primary": each.is_primary}
        for each in contact.numbers
    ]
    return {**asdict(contact), "numbers": numbers}


def _drafted(old: Draft, wanted: NewContact, by: str, at: datetime) -> Draft:
    """The draft after what was given; fields that the body does not name stay."""
    given = wanted.model_fields_set
    draft = replace(old, **{key: getattr(wanted, key) for key in WORDS if key in given})
    if "numbers" in given:
        numbers = [Number(each.number, each.label, each.primary) for each in wanted.numbers]
        draft = replace(draft, numbers=tuple(numbers))
    more = [KnownPlace(each.code, each.source, at, by) for each in wanted.places]
    return replace(draft, places=(*draft.places, *more))
