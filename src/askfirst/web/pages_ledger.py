"""The ledger for compliance and auditors: its state, its checkpoints, its entries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response, StreamingResponse

from askfirst.errors import InvalidInput, Unverified
from askfirst.ledger import Kind, split_notes
from askfirst.server import accounts, audit, dailycheckpoints, ledgerlist
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.ledgerlist import Wanted
from askfirst.server.recordingreader import ledger_size
from askfirst.web import ledgerwords
from askfirst.web.bodies import Before
from askfirst.web.complianceframe import tabs
from askfirst.web.page import render
from askfirst.web.visit import Visit, permitted

router = APIRouter()

Reader = Annotated[Visit, Depends(permitted(Permission.LEDGER_READ))]

OWN = "/compliance/ledger"
_CALL = re.compile(r"call_[0-9a-f]{32}")


def wanted(kind: str = "", call: str = "", since: str = "", until: str = "") -> Wanted:
    """What an address asks for; what is empty, or no kind, call or day, does not narrow."""
    kinds = {each.value: each for each in Kind}
    call = call.strip()
    return Wanted(
        kinds.get(kind), call if _CALL.fullmatch(call) else None, _day(since), _day(until)
    )


Asked = Annotated[Wanted, Depends(wanted)]


@router.get("/compliance/ledger")
def ledger_page(visit: Reader, asked: Asked, before: Before = None) -> Response:
    """The ledger at a glance, its checkpoints, and a page of entries."""
    return _shown(visit, asked, before)


@router.post("/compliance/ledger/check")
def check(visit: Reader) -> Response:
    """Check the whole ledger, and the published file where there is one; the result is kept."""
    store, now = visit.site.store, utc_now()
    fault, size = "", 0
    try:
        size = store.ledger.verify(_published(visit)).size
    except Unverified as error:
        fault = str(error)
        with reading(store.engine) as connection:
            size = ledger_size(connection)
    with transaction(store.engine) as connection:
        ledgerlist.note_check(connection, now, visit.who.id, size, fault)
    return RedirectResponse(f"{OWN}#check", status_code=303)


@router.get("/compliance/ledger/entries.jsonl")
def entries(visit: Reader, asked: Asked) -> Response:
    """Entries as JSON lines, as many as fit what is asked for; the export is in the audit log."""
    store = visit.site.store
    with transaction(store.engine) as connection:
        audit.note(connection, utc_now(), visit.who.id, "ledger.export")

    def lines() -> Iterator[bytes]:
        with reading(store.engine) as connection:
            yield from ledgerlist.json_lines(connection, asked)

    headers = {"content-disposition": 'attachment; filename="ledger.jsonl"'}
    return StreamingResponse(lines(), media_type="application/jsonl", headers=headers)


@router.post("/compliance/ledger/bundle")
def bundle(visit: Reader, evidence_of: Annotated[str, Form()] = "") -> Response:
    """The evidence bundle of a call; the access is in the ledger, and in the bundle."""
    store, now, call = visit.site.store, utc_now(), evidence_of.strip()
    with transaction(store.engine) as connection:
        known = ledgerlist.ledger_lines(connection, Wanted(call=call), most=1)
        if known:
            data = {"person": visit.who.id, "purpose": "evidence"}
            store.ledger.append(connection, Kind.ACCESS_EXPORTED, now, call=call, data=data)
    if not known:
        return _shown(visit, Wanted(), error=visit.say("The ledger has no entry of such a call."))
    headers = {"content-disposition": f'attachment; filename="{call}.zip"'}
    content = store.ledger.bundle(call, now)
    return Response(content, media_type="application/zip", headers=headers)


def _shown(visit: Visit, asked: Wanted, before: int | None = None, *, error: str = "") -> Response:
    store = visit.site.store
    with reading(store.engine) as connection:
        size = ledger_size(connection)
        checked = ledgerlist.last_check(connection)
        days = dailycheckpoints.dailies(connection)
        gaps = dailycheckpoints.missed(connection, utc_now().date())
        lines = ledgerlist.ledger_lines(connection, asked, before=before)
        names = accounts.names(connection)
    query = {
        key: value.isoformat() if isinstance(value, date) else str(value)
        for key, value in (
            ("kind", asked.kind), ("call", asked.call),
            ("since", asked.since), ("until", asked.until),
        )
        if value is not None
    }  # fmt: skip
    return render(
        visit,
        "ledger.html",
        status=422 if error else 200,
        tabs=tabs(visit),
        size=size,
        key=store.ledger.verifier_key,
        checked=checked,
        fault=visit.told(checked.fault) if checked and checked.fault else "",
        days=days,
        gaps=gaps,
        lines=lines,
        names=names,
        asked=query,
        query=urlencode(query),
        kinds=[(each.value, each.value) for each in Kind],
        channels=visit.said(ledgerwords.CHANNELS),
        problems=visit.said(ledgerwords.PROBLEMS),
        used=visit.site.settings.checkpoints.channels,
        error=error,
    )


def _published(visit: Visit) -> tuple[str, ...]:
    """The checkpoints in the published file; a file that cannot be read holds none."""
    path = visit.site.settings.checkpoints.file
    if path is None or not path.is_file():
        return ()
    try:
        return split_notes(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, InvalidInput) as error:
        raise Unverified(f"the published file of checkpoints cannot be read: {error}") from error


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text.strip())
    except ValueError:
        return None
    return found if 2000 <= found.year < 9000 else None
