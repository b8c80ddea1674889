"""The register of people's requests, over HTTP.

Numbers come in bodies; they stand in no address, no answer and no log.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime
from starlette.responses import Response, StreamingResponse

from askfirst.errors import InvalidRequest, Unavailable
from askfirst.ledger import timestamp
from askfirst.server import copies, copypackage, ownpackage, requestacts, requestregister
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.copies import Copy
from askfirst.server.database import reading, transaction
from askfirst.server.requestregister import (
    Delay,
    Ground,
    RequestKind,
    SubjectRequest,
    requests,
    shown,
)
from askfirst.server.subjectrights import who
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
    return shown(step(visit, request_id, wanted.step, wanted.reason))


@router.post("/subject-requests/{request_id}/copy", status_code=201)
def make_copy(visit: Officer, request_id: str, wanted: WantedCopy) -> dict[str, object]:
    """Make the copy package of a request; it can be downloaded for seven days."""
    language = wanted.language or visit.language
    made = copy_made(visit, request_id, wanted.mask, language, with_voice=wanted.voice)
    return {
        "request": made.request,
        "bytes": made.bytes,
        "sha256": made.sha256,
        "expires_at": timestamp(made.expires_at),
    }


@router.get("/subject-requests/{request_id}/copy")
def get_copy(visit: Officer, request_id: str) -> Response:
    """The copy package as a zip; the access to every recording in it is in the ledger first."""
    return copy_answer(visit, request_id)


def copy_made(
    visit: Visit, request: str, is_masked: bool, language: str, *, with_voice: bool = False
) -> Copy:
    """A new copy of a request. Raises NotFound, Unavailable where this process carries no calls."""
    if _is_of_employee(visit, request):
        site, by = visit.site, visit.who.person
        return ownpackage.make(
            site.store,
            site.rules,
            request,
            by,
            utc_now(),
            with_voice=with_voice,
            language=language,
        )
    node = visit.site.carrier.node
    if node is None:
        raise Unavailable("this process makes no copies; ask one that carries calls")
    return copypackage.make(node, request, utc_now(), is_masked=is_masked, language=language)


def copy_answer(visit: Visit, request: str) -> Response:
    """The copy of a request as a stream, after its accesses are written down. Raises NotFound."""
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
    elif what is Step.LIFT:
        requestacts.lift(store, request, by, now)
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
