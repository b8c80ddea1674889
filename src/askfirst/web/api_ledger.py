"""The ledger over HTTP: its newest checkpoint, its entries and the proofs that they are in it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from askfirst.canonical import MAX_INT
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.web.bodies import Position
from askfirst.web.visit import Visit, permitted

router = APIRouter(prefix="/ledger", tags=["ledger"])

Reader = Annotated[Visit, Depends(permitted(Permission.LEDGER_READ))]


@router.get("/checkpoint")
def checkpoint(visit: Reader) -> dict[str, object]:
    """The present head, signed (a C2SP checkpoint), and the key to check the signature with."""
    ledger = visit.site.store.ledger
    return {"checkpoint": ledger.checkpoint(utc_now()), "key": ledger.verifier_key}


@router.get("/entries/{position}")
def entry(visit: Reader, position: Position) -> dict[str, object]:
    """One entry by its position, from 0."""
    return {"position": position, "entry": visit.site.store.ledger.entry(position)}


@router.get("/proofs/{position}")
def proof(visit: Reader, position: Position) -> dict[str, Any]:
    """That one entry is in the ledger of a fresh checkpoint: hashes from leaf to root."""
    return visit.site.store.ledger.prove(position, utc_now())


@router.get("/consistency")
def consistency(
    visit: Reader,
    older: Annotated[int, Query(alias="from", ge=1, le=MAX_INT)],
    newer: Annotated[int, Query(alias="to", ge=1, le=MAX_INT)],
) -> dict[str, Any]:
    """That the ledger of size `to` continues that of size `from` (RFC 6962, section 2.1.2)."""
    return visit.site.store.ledger.consistency(older, newer)
