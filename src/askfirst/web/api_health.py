"""Whether the program runs, and whether it can do its work."""

from __future__ import annotations

import sqlalchemy as sa
from fastapi import APIRouter, Request

from askfirst.server.database import reading
from askfirst.web.visit import site_of

router = APIRouter(tags=["health"])


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(request: Request) -> dict[str, str]:
    """The database answers as well; 503 where it does not."""
    with reading(site_of(request).store.engine) as connection:
        connection.execute(sa.text("SELECT 1"))
    return {"status": "ready"}
