"""Settings: the installation's overrides, what each changes, and how one comes and goes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput, InvalidRules, Refused, Unverified
from askfirst.override import MAX_BYTES
from askfirst.server import accounts, overridechanges
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.overrideregister import KIND, Kept, kept
from askfirst.web.overridewords import STANDINGS, view
from askfirst.web.settingsframe import Reader, Switcher, setting
from askfirst.web.visit import Visit

router = APIRouter()

_FORM_BYTES = 16 * 1024
"""What a form takes besides its file."""


async def signed_file(request: Request) -> tuple[str, str]:
    """The file of a form, read no further than an override may be large, and the reason."""
    length = request.headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()) or int(length) > MAX_BYTES + _FORM_BYTES:
        raise InvalidInput(f"found a file over {MAX_BYTES // 1024} kB; an override is shorter")
    async with request.form(max_files=1, max_fields=1) as form:
        file, reason = form.get("file"), form.get("reason")
        content = await file.read() if isinstance(file, UploadFile) else b""
    try:
        return content.decode("utf-8"), reason if isinstance(reason, str) else ""
    except UnicodeError as error:
        raise InvalidInput("found a file that is no text in UTF-8; choose a signed one") from error


Signed = Annotated[tuple[str, str], Depends(signed_file)]


@router.get("/settings/overrides")
def overrides_page(visit: Reader, saved: bool = False) -> Response:
    """Every override of the installation, with what it changes."""
    return _overrides(visit, saved=saved)


@router.post("/settings/overrides")
def bring(visit: Switcher, signed: Signed) -> Response:
    """Bring a signed file: it counts, or waits for a second person."""
    text, reason = signed
    site = visit.site
    try:
        overridechanges.bring(site.store, site.rules, text, visit.who.id, utc_now(), reason)
    except (InvalidInput, InvalidRules, Unverified, Refused) as error:
        return _overrides(visit, error=visit.told(error))
    return _back()


@router.post("/settings/overrides/{mark}/propose")
def propose(visit: Switcher, mark: str) -> Response:
    """Ask a second person to approve what lies in the folder."""
    site = visit.site
    try:
        overridechanges.propose(site.store, site.rules, mark, visit.who.id, utc_now())
    except Refused as error:
        return _overrides(visit, error=visit.told(error))
    return _back()


@router.post("/settings/overrides/{mark}/end")
def end(visit: Switcher, mark: str) -> Response:
    """End an override before its day: nothing rests on it any more, running calls included."""
    site = visit.site
    try:
        overridechanges.end(site.store, site.rules, mark, visit.who.id, utc_now())
    except Refused as error:
        return _overrides(visit, error=visit.told(error))
    site.carrier.review_overrides()
    return _back()


def _back() -> Response:
    return RedirectResponse("/settings/overrides?saved=1", status_code=303)


def _overrides(visit: Visit, *, error: str = "", saved: bool = False) -> Response:
    site, today = visit.site, utc_now().date()
    with reading(site.store.engine) as connection:
        found = kept(site.store.folder, connection, site.rules, today)
        names = accounts.names(connection)
    order = list(STANDINGS)
    found.sort(key=lambda each: order.index(each.standing))
    return setting(
        visit,
        "settings_overrides.html",
        (),
        Permission.RECORDING_MANAGE,
        status=422 if error else 200,
        saved=saved,
        error=error,
        wants_second=KIND in visit.account.second_person,
        overrides=[_shown(visit, each) for each in found],
        people=names,
    )


def _shown(visit: Visit, each: Kept) -> dict[str, object]:
    icon, text = STANDINGS[each.standing]
    return {
        "kept": each,
        "icon": icon,
        "standing": visit.say(text),
        "view": None if each.override is None else view(visit, each.override, utc_now().date()),
        "fault": "" if each.fault is None else visit.told(each.fault),
    }
