"""People's requests: finding somebody, the register, and what is done for one of them.

Whoever is looked for comes in a form and is written nowhere; an address holds the id of a request.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput, InvalidRequest, NotFound, Refused
from askfirst.server import accounts, requestacts, requestregister
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.contactcard import standard
from askfirst.server.contacts import get as contact_of
from askfirst.server.copies import copy_of
from askfirst.server.database import reading
from askfirst.server.personfile import contacts_like, kept_calls
from askfirst.server.requestregister import Delay, Ground, RequestKind, requests, requests_of
from askfirst.server.restrictions import restricted_by
from askfirst.server.subjectrights import Who, found_of, who
from askfirst.web import callwords, requestwords
from askfirst.web.api_requests import Step, copy_answer, copy_ordered, step, taken_out
from askfirst.web.complianceframe import tabs
from askfirst.web.page import render
from askfirst.web.visit import Visit, permitted

router = APIRouter()

Officer = Annotated[Visit, Depends(permitted(Permission.ERASURE_MANAGE))]
Text = Annotated[str, Form()]


@router.get("/compliance/requests")
def register(visit: Officer) -> Response:
    """Where somebody is looked for, and every request with its day."""
    return _register(visit)


@router.post("/compliance/requests/find")
def find(visit: Officer, text: Text = "", contact: Text = "") -> Response:
    """Everything that is kept of whoever has a number, mail address or name."""
    region, words = visit.account.region, text.strip()
    with reading(visit.site.store.engine) as connection:
        try:
            if contact:
                return _person(visit, who(connection, contact=contact))
            if not words:
                raise InvalidInput("found nothing to look for; expected a number, mail or name")
            like = contacts_like(connection, words, region)
            number = standard(words, region)
            if number is not None:
                return _person(visit, who(connection, number=number, default_region=region))
        except (InvalidInput, InvalidRequest, NotFound) as error:
            return _register(visit, error=visit.told(error), text=text, status=422)
    if len(like) == 1:
        with reading(visit.site.store.engine) as connection:
            return _person(visit, who(connection, contact=like[0].id))
    return _register(visit, like=like, text=text, has_looked=True)


@router.post("/compliance/requests")
def receive(
    visit: Officer,
    kind: Annotated[RequestKind, Form()],
    number: Text = "",
    contact: Text = "",
    received_on: Text = "",
) -> Response:
    """Write a request of somebody down, and go on to it."""
    store, now = visit.site.store, utc_now()
    try:
        with reading(store.engine) as connection:
            person = who(
                connection,
                number=number,
                contact=contact,
                default_region=visit.account.region,
            )
        made = requestacts.take(
            store, kind, person, visit.who.id, now, _came_at(visit, received_on, now)
        )
    except (InvalidInput, InvalidRequest, NotFound) as error:
        return _register(visit, error=visit.told(error), status=422)
    return RedirectResponse(f"/compliance/requests/{made.id}", status_code=303)


@router.get("/compliance/requests/{request_id}")
def request_page(visit: Officer, request_id: str) -> Response:
    """One request: what is kept of the person now, what can be done, and what was done."""
    return _request(visit, request_id)


@router.post("/compliance/requests/{request_id}")
def take_step(
    visit: Officer, request_id: str, wanted: Annotated[Step, Form()], reason: Text = ""
) -> Response:
    """Take a step with a request; what cannot be done is said on its page."""
    try:
        step(visit, request_id, wanted, reason or None)
    except (InvalidInput, Refused, NotFound) as error:
        status = 422 if isinstance(error, InvalidInput) else 409
        return _request(visit, request_id, error=visit.told(error), status=status)
    return RedirectResponse(f"/compliance/requests/{request_id}", status_code=303)


@router.post("/compliance/requests/{request_id}/copy")
def make_copy(visit: Officer, request_id: str, mask: Text = "", voice: Text = "") -> Response:
    """Order the copy package of a request; our side is silent unless somebody wants it."""
    copy_ordered(visit, request_id, mask != "no", visit.language, with_voice=voice != "")
    return RedirectResponse(f"/compliance/requests/{request_id}#copy", status_code=303)


@router.get("/compliance/requests/{request_id}/copy.zip")
def get_copy(visit: Officer, request_id: str) -> Response:
    """The copy package as a file; where it may not be given any more, the page says why."""
    try:
        return copy_answer(visit, request_id)
    except Refused as error:
        return _request(visit, request_id, error=visit.told(error), status=409)


def _register(
    visit: Visit,
    *,
    error: str = "",
    text: str = "",
    like: Any = (),
    has_looked: bool = False,
    status: int = 200,
) -> Response:
    with reading(visit.site.store.engine) as connection:
        every = requests(connection)
        people = accounts.all_users(connection)
    names = {each.id: each.name for each in people}
    now = utc_now()
    return render(
        visit,
        "compliance_requests.html",
        status=status,
        tabs=tabs(visit),
        rows=[(each, each.is_overdue(now)) for each in every],
        names=names,
        like=like,
        has_looked=has_looked,
        left=[("", "–"), *((each.id, each.name) for each in people if each.is_disabled)],
        today=visit.today().isoformat(),
        error=error,
        text=text,
        kinds=visit.said(requestwords.KINDS),
        states=visit.said(requestwords.STATES),
        reasons=visit.said(requestwords.REASONS),
    )


def _person(visit: Visit, person: Who) -> Response:
    with reading(visit.site.store.engine) as connection:
        names = accounts.names(connection)
        known = contact_of(connection, person.contact) if person.contact else None
        mine = requests_of(visit.site.store, connection, person)
        # A number without a contact is what the form brings along, in no address.
        number = "" if known is not None else person.numbers[0]
        title = number if known is None else known.name or known.company
    return render(
        visit,
        "compliance_person.html",
        tabs=tabs(visit),
        named=title or visit.say("Contact"),
        contact=known,
        number=number,
        mine=mine,
        names=names,
        today=visit.today().isoformat(),
        may_hold=visit.may(Permission.RECORDINGS_HOLD),
        kinds=visit.said(requestwords.KINDS),
        states=visit.said(requestwords.STATES),
        **_kept(visit, person),
    )


def _request(visit: Visit, identity: str, *, error: str = "", status: int = 200) -> Response:
    store, now = visit.site.store, utc_now()
    with reading(store.engine) as connection:
        found = requestregister.get(connection, identity)
        person = requestregister.person_of(store, connection, identity)
        people = {each.id: each for each in accounts.all_users(connection)}
        names = {each.id: each.name for each in people.values()}
        known = contact_of(connection, found.contact) if person and found.contact else None
        restricted = len(restricted_by(connection, identity))
        copy = copy_of(store, connection, identity, now)
    items = found.outcome["items"] if found.outcome else []
    laws = {each["id"]: requestwords.kept_by_law(visit, each) for each in items}
    theirs = _kept(visit, person)
    return render(
        visit,
        "compliance_request.html",
        status=status,
        tabs=tabs(visit),
        request=found,
        is_overdue=found.is_overdue(now),
        is_known=person is not None,
        employee=people.get(found.user or ""),
        contact=known,
        restricted=restricted,
        copy=copy,
        copy_faults=visit.said(requestwords.COPY_FAULTS),
        masks=[("yes", visit.say("Yes")), ("no", visit.say("No"))],
        names=names,
        error=error,
        kinds=visit.said(requestwords.KINDS),
        states=visit.said(requestwords.STATES),
        reasons=visit.said(requestwords.REASONS),
        delays=[(each.value, visit.say(requestwords.REASONS[each])) for each in Delay],
        grounds=[(each.value, visit.say(requestwords.REASONS[each])) for each in Ground],
        outcomes=visit.said(requestwords.OUTCOMES),
        laws=laws,
        taken_out=taken_out(visit, found, theirs["kept"]),
        purposes=visit.said(callwords.PURPOSES),
        **theirs,
    )


def _kept(visit: Visit, person: Who | None) -> dict[str, Any]:
    """What is kept of somebody, in sentences and line by line."""
    if person is None:
        return {"counts": None, "kept": [], "stays": {}, "record_states": {}}
    store = visit.site.store
    with reading(store.engine) as connection:
        counts = found_of(connection, person)
        kept = kept_calls(store, connection, person, utc_now())
    return {
        "counts": requestwords.counted(visit, counts),
        "kept": kept,
        "stays": {each.recording: requestwords.stays(visit, each) for each in kept if each.stays},
        "record_states": visit.said(callwords.RECORDING_STATES),
    }


def _came_at(visit: Visit, text: str, now: datetime) -> datetime | None:
    """When a request came: noon of a past day, None for today."""
    if not text or text == visit.today().isoformat():
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time(12), UTC)
    except ValueError as error:
        raise InvalidInput("found no day; expected one such as 2026-11-24") from error
