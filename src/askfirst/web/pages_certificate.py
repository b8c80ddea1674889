"""The certificate of a call: a page to print, and a PDF. Making one is an access in the ledger."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from askfirst.server import certificate as evidence
from askfirst.server.access import Permission
from askfirst.server.callreader import ensure_reaches, reaches
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.paper import Paper, pdf
from askfirst.server.recordingreader import erased, stretches_of
from askfirst.web.api_calls import found_call
from askfirst.web.certificatepaper import Certified, certificate
from askfirst.web.decidedwords import reasons_in
from askfirst.web.page import render
from askfirst.web.placewords import every_place
from askfirst.web.visit import Visit, permitted
from askfirst.web.words import LANGUAGES

router = APIRouter()

Reader = Annotated[Visit, Depends(permitted(Permission.CERTIFICATES_READ))]


class Numbers(StrEnum):
    """How telephone numbers stand in a certificate."""

    MASKED = evidence.MASKED
    WHOLE = evidence.WHOLE


@router.get("/calls/{call}/certificate")
def certificate_page(visit: Reader, call: str, numbers: Numbers = Numbers.MASKED) -> Response:
    """The certificate as a page; whole numbers for who may export the call."""
    return render(
        visit,
        "certificate.html",
        paper=_made(visit, call, numbers),
        call=call,
        numbers=numbers.value,
        may_read_call=_reaches(visit, Permission.CALLS_READ, call),
        may_have_numbers=_reaches(visit, Permission.RECORDINGS_EXPORT, call),
        tongues=LANGUAGES,
    )


@router.get("/calls/{call}/certificate.pdf")
def certificate_pdf(visit: Reader, call: str, numbers: Numbers = Numbers.MASKED) -> Response:
    """The certificate as PDF."""
    made = pdf(_made(visit, call, numbers))
    headers = {"content-disposition": f'attachment; filename="{call}-certificate.pdf"'}
    return Response(made, media_type="application/pdf", headers=headers)


def _made(visit: Visit, call: str, numbers: Numbers) -> Paper:
    """The certificate; that it was made is in the ledger before anything is given."""
    store, now = visit.site.store, utc_now()
    record = found_call(visit, call, Permission.CERTIFICATES_READ)
    if numbers is Numbers.WHOLE:
        with reading(store.engine) as connection:
            ensure_reaches(connection, visit.who.person, Permission.RECORDINGS_EXPORT, call)
    evidence.enter(store, call, visit.who.id, numbers.value, now)
    notice = (record.decision or {}).get("notice") or {}
    facts = visit.account.notice_facts(notice.get("language"))
    recording = record.line.recording
    with reading(store.engine) as connection:
        stretches = stretches_of(connection, recording) if recording else []
        gone = erased(connection, recording) if recording else None
    return certificate(
        visit,
        Certified(
            record=record,
            grounds=evidence.grounds(store, record, facts, now),
            reasons=reasons_in(
                visit.language,
                record.decision,
                record.line.created_at.date(),
                visit.site.rules,
                visit.account.policy(),
            )
            if record.decision
            else [],
            stretches=stretches,
            erased=gone,
            places=every_place(visit.site.rules, visit.language),
            has_numbers=numbers is Numbers.WHOLE,
            made_at=now,
        ),
    )


def _reaches(visit: Visit, permission: Permission, call: str) -> bool:
    with reading(visit.site.store.engine) as connection:
        return reaches(connection, visit.who.person, permission, call)
