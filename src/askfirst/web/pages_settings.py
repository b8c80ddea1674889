"""Settings: company and purpose, the recording switch, how long recordings are kept."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput, InvalidRequest, Unavailable
from askfirst.model import Purpose
from askfirst.policy import MANDATORY_RECORDING
from askfirst.server.access import Permission
from askfirst.server.accountkeys import LONGEST_DAYS, SHORTEST_DAYS
from askfirst.web import retentionwords
from askfirst.web.api_account import RECORDING, changed
from askfirst.web.bodies import Filled
from askfirst.web.pages_setup import PERIODS
from askfirst.web.placewords import by_name, ruled_places
from askfirst.web.recordingview import DUTIES
from askfirst.web.settingsframe import Reader, Switcher, Writer, setting
from askfirst.web.visit import SignedIn, Visit

router = APIRouter()

Field = Annotated[str, Form()]

COMPANY = (
    "company", "home_place", "language", "lawful_basis", "lawful_basis_owner", "purpose",
    "purpose_sentence", "purpose_owner", "privacy_url",
)  # fmt: skip
PERIOD = "retention_days"
PERIODS_KEPT = (PERIOD, "retention", "mandatory_years")
NEW_PLACE = "new_place"
REASON = "asks_reason"
VOCABULARY = "vocabulary"


async def running(visit: SignedIn) -> int | None:
    """How many recordings run; None where this process carries no calls.

    Counted on the loop, to which calls belong; what is made of it is made in a thread.
    """
    try:
        live = await visit.site.carrier.running_calls()
    except Unavailable:
        return None
    return len([each for each in live if each.state["light"] == "recording"])


Running = Annotated[int | None, Depends(running)]


@router.get("/settings")
def settings_page(visit: Reader, saved: bool = False) -> Response:
    """Company, lawful basis and purpose."""
    return _company(visit, saved=saved)


@router.post("/settings")
def change_company(visit: Writer, form: Filled) -> Response:
    """Change company, lawful basis and purpose, all or none."""
    wanted: dict[str, Any] = {key: str(form[key]).strip() for key in COMPANY if key in form}
    try:
        changed(visit, {key: value or None for key, value in wanted.items()})
    except InvalidInput as error:
        key = error.key if isinstance(error, InvalidRequest) else None
        return _company(visit, values=wanted, error=visit.told(error), wrong=key)
    return RedirectResponse("/settings?saved=1", status_code=303)


@router.get("/settings/recording")
def recording_page(
    visit: Reader, running: Running, turn: str = "", saved: bool = False
) -> Response:
    """The recording switch; `turn=off` asks whether it is really meant."""
    asks = turn == "off" and visit.account.recording_enabled
    asks = asks and visit.may(Permission.RECORDING_MANAGE)
    return _recording(visit, running, asks=asks, saved=saved)


@router.post("/settings/recording")
def switch_recording(visit: Switcher, running: Running, recording: Field = "") -> Response:
    """Turn recording on or off for everybody; off stops what is being recorded at once."""
    if recording not in ("on", "off"):
        return _recording(visit, running, error=visit.say("Choose on or off."))
    changed(visit, {RECORDING: recording == "on"})
    return RedirectResponse("/settings/recording?saved=1", status_code=303)


@router.post("/settings/listening")
def change_listening(visit: Writer, asks_reason: Field = "") -> Response:
    """Whether whoever opens a recording of somebody else's call says why in words."""
    changed(visit, {REASON: asks_reason != ""})
    return RedirectResponse("/settings/recording?saved=1", status_code=303)


@router.post("/settings/vocabulary")
def change_vocabulary(visit: Writer, running: Running, vocabulary: Field = "") -> Response:
    """Change the names and terms that the recogniser is told, one a line."""
    terms = [line.strip() for line in vocabulary.splitlines() if line.strip()]
    try:
        changed(visit, {VOCABULARY: terms})
    except InvalidInput as error:
        return _recording(visit, running, error=visit.told(error), terms=vocabulary)
    return RedirectResponse("/settings/recording?saved=1", status_code=303)


@router.post("/settings/redaction")
def change_redaction(
    visit: Writer, redacts_cards: Field = "", redacts_ids: Field = "", redacts_emails: Field = ""
) -> Response:
    """What is hidden in recordings and transcripts; every recording is looked through again."""
    wanted = {
        "redacts_cards": redacts_cards != "",
        "redacts_ids": redacts_ids != "",
        "redacts_emails": redacts_emails != "",
    }
    changed(visit, wanted)
    if visit.site.carrier.node is not None:
        visit.site.carrier.node.jobs.dispatch()
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
        changed(visit, {PERIOD: _number(days) if days else "-"})
    except InvalidInput as error:
        # A rule that is longer is named; what is no number is said at the field.
        number = _number(days)
        is_range = not isinstance(number, int) or not SHORTEST_DAYS <= number <= LONGEST_DAYS
        said = None if is_range else visit.told(error)
        return _retention(visit, value=days, wrong=is_range, error=said)
    return RedirectResponse("/settings/retention?saved=1", status_code=303)


@router.post("/settings/retention/periods")
def change_periods(visit: Writer, form: Filled) -> Response:
    """Change the periods of purposes and places; an empty one is taken back."""
    places = {
        key.removeprefix("place-"): _number(str(value).strip())
        for key, value in form.items()
        if key.startswith("place-") and str(value).strip()
    }
    if code := str(form.get(NEW_PLACE, "")).strip():
        places[code] = _number(str(form.get("new_days", "")).strip())
    purposes = {
        each.value: _number(days)
        for each in Purpose
        if (days := str(form.get(f"purpose-{each.value}", "")).strip())
    }
    try:
        changed(visit, {"retention": {"purposes": purposes, "places": places}})
    except InvalidInput as error:
        return _retention(visit, error=visit.told(error))
    return RedirectResponse("/settings/retention?saved=1", status_code=303)


@router.post("/settings/retention/mandatory")
def change_mandatory(visit: Writer, form: Filled) -> Response:
    """Change for how many years an authority wants what a duty recorded; empty takes it back."""
    asked = {
        regime: {
            "years": _number(years),
            "asked_by": str(form.get(f"asked-{regime}", "")).strip(),
        }
        for regime in MANDATORY_RECORDING
        if (years := str(form.get(f"years-{regime}", "")).strip())
    }
    try:
        changed(visit, {"mandatory_years": asked})
    except InvalidInput as error:
        return _retention(visit, error=visit.told(error))
    return RedirectResponse("/settings/retention?saved=1", status_code=303)


def _number(text: str) -> int | str:
    """A whole number; what is none stays as it was written, and is refused with its words."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else text


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
    visit: Visit,
    running: int | None,
    *,
    asks: bool = False,
    error: str | None = None,
    saved: bool = False,
    terms: str | None = None,
) -> Response:
    node = visit.site.carrier.node
    return setting(
        visit,
        "settings_recording.html",
        (RECORDING, REASON, VOCABULARY),
        Permission.RECORDING_MANAGE,
        status=422 if error else 200,
        saved=saved,
        error=error,
        asks=asks,
        running=running,
        terms="\n".join(visit.account.vocabulary) if terms is None else terms,
        hears_terms=node is None or node.recognizer.capabilities.vocabulary,
    )


def _retention(
    visit: Visit,
    *,
    value: str | None = None,
    wrong: bool = False,
    error: str | None = None,
    saved: bool = False,
) -> Response:
    places = by_name(ruled_places(visit.site.rules, visit.language))
    return setting(
        visit,
        "settings_retention.html",
        PERIODS_KEPT,
        status=422 if wrong or error else 200,
        error=error,
        purposes=visit.said(retentionwords.PURPOSES),
        regimes=[(each, visit.say(DUTIES[each])) for each in MANDATORY_RECORDING],
        places=[("", "–"), *places],
        place_names=dict(places),
        saved=saved,
        value=visit.account.retention_days if value is None else value,
        wrong=wrong,
        periods=PERIODS,
    )
