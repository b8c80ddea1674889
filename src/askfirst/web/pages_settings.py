"""Settings: company and purpose, the recording switch, how long recordings are kept."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput, InvalidRequest, Unavailable
from askfirst.model import Purpose
from askfirst.server.access import Permission
from askfirst.server.livecall import light
from askfirst.web.api_account import RECORDING, changed
from askfirst.web.pages_setup import PERIODS
from askfirst.web.placewords import by_name, ruled_places
from askfirst.web.settingsframe import Reader, Switcher, Writer, setting
from askfirst.web.visit import Visit

router = APIRouter()

Field = Annotated[str, Form()]

COMPANY = (
    "company", "home_place", "language", "lawful_basis", "lawful_basis_owner", "purpose",
    "purpose_sentence", "purpose_owner", "privacy_url",
)  # fmt: skip
PERIOD = "retention_days"


@router.get("/settings")
def settings_page(visit: Reader, saved: bool = False) -> Response:
    """Company, lawful basis and purpose."""
    return _company(visit, saved=saved)


@router.post("/settings")
async def change_company(visit: Writer, request: Request) -> Response:
    """Change company, lawful basis and purpose, all or none."""
    form = await request.form()
    wanted: dict[str, Any] = {key: str(form[key]).strip() for key in COMPANY if key in form}
    try:
        changed(visit, {key: value or None for key, value in wanted.items()})
    except InvalidInput as error:
        key = error.key if isinstance(error, InvalidRequest) else None
        return _company(visit, values=wanted, error=str(error), wrong=key)
    return RedirectResponse("/settings?saved=1", status_code=303)


@router.get("/settings/recording")
async def recording_page(visit: Reader, turn: str = "", saved: bool = False) -> Response:
    """The recording switch; `turn=off` asks whether it is really meant."""
    asks = turn == "off" and visit.account.recording_enabled
    return _recording(visit, asks=asks and visit.may(Permission.RECORDING_MANAGE), saved=saved)


@router.post("/settings/recording")
async def switch_recording(visit: Switcher, recording: Field = "") -> Response:
    """Turn recording on or off for everybody; off stops what is being recorded at once."""
    if recording not in ("on", "off"):
        return _recording(visit, error=visit.say("Choose on or off."))
    changed(visit, {RECORDING: recording == "on"})
    return RedirectResponse("/settings/recording?saved=1", status_code=303)


@router.get("/settings/retention")
def retention_page(visit: Reader, saved: bool = False) -> Response:
    """How long recordings are kept, and what that means."""
    return _retention(visit, saved=saved)


@router.post("/settings/retention")
def change_retention(visit: Writer, retention_days: Field = "") -> Response:
    """Change how long recordings are kept that begin from now on."""
    days = retention_days.strip()
    try:
        changed(visit, {PERIOD: int(days) if days.isascii() and days.isdigit() else days or "-"})
    except InvalidInput:
        return _retention(visit, value=days, wrong=True)
    return RedirectResponse("/settings/retention?saved=1", status_code=303)


def running(visit: Visit) -> int | None:
    """How many recordings run in this process, on its loop only; None where it carries no calls."""
    try:
        live = visit.site.carrier.desk.all()
    except Unavailable:
        return None
    return sum(light(each.call.facts) == "recording" for each in live)


def _company(
    visit: Visit,
    *,
    values: dict[str, Any] | None = None,
    error: str | None = None,
    wrong: str | None = None,
    saved: bool = False,
) -> Response:
    return setting(
        visit,
        "settings.html",
        COMPANY,
        status=422 if error else 200,
        saved=saved,
        values={**{key: getattr(visit.account, key) for key in COMPANY}, **(values or {})},
        error=error,
        wrong=wrong,
        purposes=list(Purpose),
        places=by_name(ruled_places(visit.site.rules, visit.language)),
    )


def _recording(
    visit: Visit, *, asks: bool = False, error: str | None = None, saved: bool = False
) -> Response:
    return setting(
        visit,
        "settings_recording.html",
        (RECORDING,),
        Permission.RECORDING_MANAGE,
        status=422 if error else 200,
        saved=saved,
        error=error,
        asks=asks,
        running=running(visit),
    )


def _retention(
    visit: Visit, *, value: str | None = None, wrong: bool = False, saved: bool = False
) -> Response:
    return setting(
        visit,
        "settings_retention.html",
        (PERIOD,),
        status=422 if wrong else 200,
        saved=saved,
        value=visit.account.retention_days if value is None else value,
        wrong=wrong,
        periods=PERIODS,
    )
