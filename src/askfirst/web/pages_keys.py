"""Settings: where the keys are, how they are kept, and by when an erasure holds in backups."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.keeping import keeping
from askfirst.web.api_account import changed
from askfirst.web.settingsframe import Reader, Writer, setting
from askfirst.web.visit import Visit

router = APIRouter()

DAYS = "backup_days"


@router.get("/settings/keys")
def keys_page(visit: Reader, saved: bool = False) -> Response:
    """How the keys are kept; no key and no token is shown."""
    return _keys(visit, saved=saved)


@router.post("/settings/keys")
def change_days(visit: Writer, backup_days: Annotated[str, Form()] = "") -> Response:
    """Change for how long backups of the keys are kept."""
    days = backup_days.strip()
    try:
        changed(visit, {DAYS: int(days) if days.isascii() and days.isdigit() else days or "-"})
    except InvalidInput:
        return _keys(visit, value=days, wrong=True)
    return RedirectResponse("/settings/keys?saved=1", status_code=303)


def _keys(
    visit: Visit, *, value: str | None = None, wrong: bool = False, saved: bool = False
) -> Response:
    store = visit.site.store
    with reading(store.engine) as connection:
        found = keeping(store, connection, utc_now())
    return setting(
        visit,
        "settings_keys.html",
        (DAYS,),
        status=422 if wrong else 200,
        saved=saved,
        kept=found,
        value=found.backup_days if value is None else value,
        wrong=wrong,
    )
