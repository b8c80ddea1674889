"""Decisions over HTTP: the same answer as the command line and the library give."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException

from askfirst.decide import request as decide_request
from askfirst.explain import to_json
from askfirst.server.clock import utc_now
from askfirst.web.bodies import Keys
from askfirst.web.guard import RateLimit
from askfirst.web.visit import AnyVisit, SignedOut

router = APIRouter(tags=["decisions"])

asked = RateLimit(most=60, seconds=60.0, clock=time.monotonic)
"""Questions of people who are not signed in."""


def ensure_may_ask(visit: AnyVisit, request: Request) -> None:
    """Let signed-in people ask, and others where the account allows it, so many a minute.

    Raises SignedOut, or HTTPException 429.
    """
    if visit.user is not None:
        return
    if not visit.site.settings.public_checker:
        raise SignedOut("/rules/check")
    address = request.client.host if request.client else ""
    if not asked.allows(address):
        raise HTTPException(429, "too many questions from one address; try again in a minute")


@router.post("/decisions")
def decisions(visit: AnyVisit, request: Request, asked_for: Keys) -> dict[str, object]:
    """Decide as for one line of a batch; nothing that was asked is kept or logged."""
    ensure_may_ask(visit, request)
    return to_json(decide_request(asked_for, utc_now().date(), visit.site.rules))
