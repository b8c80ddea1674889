"""Changing a contact: name, company, e-mail, language, notes, and numbers added and removed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import sqlalchemy as sa
from fastapi import APIRouter
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput, InvalidRequest, Refused
from askfirst.server import audit, contacts, objections
from askfirst.server.clock import utc_now
from askfirst.server.contactcard import Contact, Number, checked, standard
from askfirst.server.database import reading, transaction
from askfirst.web.api_contacts import Writer
from askfirst.web.bodies import Filled
from askfirst.web.page import render
from askfirst.web.settingwords import NOTICE_LANGUAGES
from askfirst.web.visit import Visit

router = APIRouter()

WORDS = ("name", "company", "email", "language", "notes")
SPARE_ROWS = 2
"""Empty rows for further numbers at the end of the form."""


@dataclass(frozen=True, slots=True)
class Row:
    """One number of the form as it was filled in. `taken` is the contact who has it already."""

    number: str = ""
    label: str = ""
    is_primary: bool = False
    is_removed: bool = False
    is_wrong: bool = False
    taken: str | None = None

    @property
    def counts(self) -> bool:
        """Whether the contact is to have this number."""
        return bool(self.number) and not self.is_removed


@router.get("/contacts/{contact}/edit")
def edit_page(visit: Writer, contact: str) -> Response:
    """The form, filled in with what is known."""
    with reading(visit.site.store.engine) as connection:
        found = contacts.get(connection, contact)
    rows = [Row(each.number, each.label, each.is_primary) for each in found.numbers]
    return _form(visit, found, _present(found), rows)


@router.post("/contacts/{contact}/edit")
def edit(visit: Writer, contact: str, form: Filled) -> Response:
    """Change the contact, all or nothing; what is wrong is said beside its field."""
    values = {key: str(form.get(key, "")).strip() for key in WORDS}
    with transaction(visit.site.store.engine) as connection:
        found = contacts.get(connection, contact)
        rows = _looked_up(connection, contact, _rows(form), visit.account.region)
        if str(form.get("seen", "")) != found.updated_at.isoformat():
            said = visit.say("Somebody else changed this contact meanwhile. Look, and save again.")
            return _form(visit, found, values, rows, error=said)
        try:
            _write(visit, connection, found, values, rows)
        except (InvalidInput, Refused) as error:
            key = error.key if isinstance(error, InvalidRequest) else None
            return _form(visit, found, values, rows, error=visit.told(error), wrong=key)
    return RedirectResponse(f"/contacts/{contact}", status_code=303)


def _write(
    visit: Visit,
    connection: sa.Connection,
    found: Contact,
    values: dict[str, str],
    rows: list[Row],
) -> None:
    now, region = utc_now(), visit.account.region
    kept = [each for each in rows if each.counts]
    if any(each.is_wrong or each.taken for each in kept):
        raise InvalidRequest("a number cannot be used", key="numbers")
    numbers = tuple(Number(each.number, each.label, each.is_primary) for each in kept)
    draft = checked(replace(found.draft, **values, numbers=numbers), region)  # type: ignore[arg-type]  # words are texts
    fields = [
        key for key in (*WORDS, "numbers") if getattr(draft, key) != getattr(found.draft, key)
    ]
    if not fields:
        return
    contacts.change(connection, found.id, draft, now, default_region=region)
    objections.take_over(visit.site.store, connection, visit.who.id, now)
    detail = {"fields": sorted(fields)}
    audit.note(connection, now, visit.who.id, "contact.changed", found.id, detail)


def _present(found: Contact) -> dict[str, str]:
    return {key: str(getattr(found, key)) for key in WORDS}


def _rows(form: FormData) -> list[Row]:
    labels, removed = form.getlist("label"), set(map(str, form.getlist("remove")))
    rows = []
    for index, number in enumerate(form.getlist("number")):
        label = str(labels[index]).strip() if index < len(labels) else ""
        rows.append(
            Row(
                number=str(number).strip(),
                label=label,
                is_primary=str(form.get("primary", "")) == str(index),
                is_removed=str(index) in removed,
            )
        )
    if not any(each.is_primary and each.counts for each in rows):
        rows = [replace(each, is_primary=False) for each in rows]
    return [each for each in rows if each.number or each.label]


def _looked_up(
    connection: sa.Connection, contact: str, rows: list[Row], region: str | None
) -> list[Row]:
    """The rows, each with what is wrong about its number."""
    written = {row.number: standard(row.number, region) for row in rows if row.counts}
    taken = contacts.holders(connection, [each for each in written.values() if each])
    found = []
    for row in rows:
        number = written.get(row.number)
        other = taken.get(number or "")
        found.append(
            replace(
                row,
                is_wrong=row.counts and number is None,
                taken=other if row.counts and other != contact else None,
            )
        )
    return found


def _form(
    visit: Visit,
    found: Contact,
    values: dict[str, str],
    rows: list[Row],
    *,
    error: str | None = None,
    wrong: str | None = None,
) -> Response:
    return render(
        visit,
        "contact_edit.html",
        status=422 if error else 200,
        contact=found,
        values=values,
        rows=[*rows, *[Row()] * SPARE_ROWS],
        languages_of_notices=NOTICE_LANGUAGES,
        error=error,
        wrong=wrong,
    )
