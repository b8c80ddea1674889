"""The register of people's requests, over HTTP.

Numbers come in bodies; they stand in no address, no answer and no log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime
from starlette.responses import Response, StreamingResponse

from askfirst.errors import InvalidRequest, NotFound
from askfirst.ledger import timestamp
from askfirst.server import copies, ownpackage, requestacts, requestregister
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.copies import Copy, CopyState
from askfirst.server.database import reading, transaction
from askfirst.server.handedout import HandedOut, handed_out
from askfirst.server.personfile import KeptCall
from askfirst.server.requestregister import (
    Delay,
    Ground,
    RequestKind,
    SubjectRequest,
    requests,
    shown,
)
from askfirst.server.subjectrights import who
from askfirst.web.api_queue import dispatch
from askfirst.web.bodies import Body
from askfirst.web.visit import Visit, permitted

router = APIRouter(tags=["rights of people"])

Officer = Annotated[Visit, Depends(permitted(Permission.ERASURE_MANAGE))]


class Step(StrEnum):
    """What is done with a request."""

    EXTEND = "extend"
    ANSWER = "answer"
    REFUSE = "refuse"
    ERASE = "erase"
    RESTRICT = "restrict"
    LIFT = "lift"


class WantedRequest(Body):
    """What somebody asked for: exactly one of number, contact and user says who.

    `user` is an employee who has left and asks for access.
    """

    kind: RequestKind
    number: str | None = None
    contact: str | None = None
    user: str | None = None
    received_at: AwareDatetime | None = None


class WantedStep(Body):
    """A step, with its reason where it needs one: a delay or a ground."""

    step: Step
    reason: str | None = None


class WantedCopy(Body):
    """How a copy is made: our side masked or not, and the language of its index.

    In that of an employee's own data, `voice` puts recordings of their own side in.
    """

    mask: bool = True
    voice: bool = False
    language: str | None = None


@router.post("/subject-requests", status_code=201)
def receive_request(visit: Officer, wanted: WantedRequest) -> dict[str, object]:
    """Write a request down, with what was found and the day by which it is answered."""
    store, region = visit.site.store, visit.account.region
    if wanted.user is not None:
        return shown(_of_employee(visit, wanted, wanted.user))
    with reading(store.engine) as connection:
        person = who(
            connection, number=wanted.number, contact=wanted.contact, default_region=region
        )
    now = utc_now()
    return shown(
        requestacts.take(store, wanted.kind, person, visit.who.id, now, wanted.received_at)
    )


@router.get("/subject-requests")
def list_requests(visit: Officer) -> dict[str, object]:
    """Every request, what is due first."""
    with reading(visit.site.store.engine) as connection:
        return {"requests": [shown(each) for each in requests(connection)]}


@router.patch("/subject-requests/{request_id}")
def change_request(visit: Officer, request_id: str, wanted: WantedStep) -> dict[str, object]:
    """Take a step with a request: extend, answer, refuse, erase, restrict or lift."""
    found = step(visit, request_id, wanted.step, wanted.reason)
    if wanted.step is not Step.ERASE:
        return shown(found)
    return {**shown(found), "handed_out": [_handed_out(each) for each in taken_out(visit, found)]}


@router.post("/subject-requests/{request_id}/copy", status_code=202)
def order_copy(visit: Officer, request_id: str, wanted: WantedCopy) -> dict[str, object]:
    """Order the copy package of a request; a job makes it, `copy/state` says how far it is."""
    language = wanted.language or visit.language
    ordered = copy_ordered(visit, request_id, wanted.mask, language, with_voice=wanted.voice)
    return _shown_copy(ordered)


@router.get("/subject-requests/{request_id}/copy/state")
def copy_state(visit: Officer, request_id: str) -> dict[str, object]:
    """How far the copy package of a request is, or why there is none any more."""
    store = visit.site.store
    with reading(store.engine) as connection:
        found = copies.copy_of(store, connection, request_id, utc_now())
    if found is None:
        raise NotFound("there is no copy for this request, or none any more; make one")
    return _shown_copy(found)


@router.get("/subject-requests/{request_id}/copy")
def get_copy(visit: Officer, request_id: str) -> Response:
    """The copy package as a zip; the access to every recording in it is in the ledger first."""
    return copy_answer(visit, request_id)


def copy_ordered(
    visit: Visit, request: str, is_masked: bool, language: str, *, with_voice: bool = False
) -> Copy:
    """The copy of a request that a job makes from now on; an employee's own data is made at once.

    Raises NotFound.
    """
    store, now = visit.site.store, utc_now()
    if _is_of_employee(visit, request):
        rules, by = visit.site.rules, visit.who.person
        return ownpackage.make(
            store, rules, request, by, now, with_voice=with_voice, language=language
        )
    ordered = copies.order(store, request, now, is_masked=is_masked, language=language)
    dispatch(visit)
    return ordered


def copy_answer(visit: Visit, request: str) -> Response:
    """The copy of a request as a stream, after its accesses are written down.

    Raises NotFound, and Refused where it may not be given any more.
    """
    store, now = visit.site.store, utc_now()
    if _is_of_employee(visit, request):
        parts = ownpackage.download(store, request, visit.who.person, now)
    else:
        parts = copies.download(store, request, visit.who.id, now)
    headers = {
        "content-disposition": f'attachment; filename="{request}.zip"',
        "cache-control": "no-store",
    }
    return StreamingResponse(parts, media_type="application/zip", headers=headers)


def taken_out(
    visit: Visit, request: SubjectRequest, kept: Sequence[KeptCall] = ()
) -> list[HandedOut]:
    """Copies that were taken out of what a request of erasure has erased, or will (`kept`)."""
    if request.kind is not RequestKind.ERASURE:
        return []
    erased = {each["id"] for each in request.outcome["items"]} if request.outcome else set()
    theirs = erased | {each.recording for each in kept if each.recording is not None}
    with reading(visit.site.store.engine) as connection:
        return handed_out(connection, theirs)


def _handed_out(copy: HandedOut) -> dict[str, object]:
    return {**asdict(copy), "at": timestamp(copy.at)}


def _is_of_employee(visit: Visit, request: str) -> bool:
    with reading(visit.site.store.engine) as connection:
        return requestregister.get(connection, request).user is not None


def _of_employee(visit: Visit, wanted: WantedRequest, user: str) -> SubjectRequest:
    if wanted.kind is not RequestKind.ACCESS or wanted.number or wanted.contact:
        raise InvalidRequest(
            "found a user and something besides; an employee who has left asks for access, and "
            "neither number nor contact is given",
            key="user",
        )
    store, now = visit.site.store, utc_now()
    with transaction(store.engine) as connection:
        return requestregister.receive_of_employee(
            store, connection, user, visit.who.id, now, wanted.received_at
        )


def step(visit: Visit, request: str, what: Step, reason: str | None) -> SubjectRequest:
    """The request after a step was taken. Raises NotFound, InvalidInput, Refused."""
    store, by, now = visit.site.store, visit.who.id, utc_now()
    if what is Step.ERASE:
        requestacts.erase(store, request, by, now)
    elif what is Step.RESTRICT:
        requestacts.restrict(store, request, by, now)
        visit.site.carrier.restrict(requestacts.running_calls(store, request))
    elif what is Step.LIFT:
        requestacts.lift(store, request, by, now)
        dispatch(visit)
    with transaction(store.engine) as connection:
        if what is Step.EXTEND:
            why = requestregister.code(Delay, reason)
            return requestregister.extend(store, connection, request, why, by, now)
        if what is Step.ANSWER:
            return requestregister.answer(store, connection, request, by, now)
        if what is Step.REFUSE:
            ground = requestregister.code(Ground, reason)
            return requestregister.refuse(store, connection, request, ground, by, now)
        return requestregister.get(connection, request)


def _shown_copy(found: Copy) -> dict[str, object]:
    is_ready = found.state is CopyState.READY
    return {
        "request": found.request,
        "state": found.state,
        "fault": found.fault,
        "calls": found.total,
        "calls_done": found.done,
        "bytes": found.bytes if is_ready else None,
        "sha256": found.sha256 if is_ready else None,
        "expires_at": timestamp(found.expires_at) if is_ready else None,
    }
