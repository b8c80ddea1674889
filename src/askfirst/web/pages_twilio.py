"""Settings: the account at Twilio: credentials that are never shown again, checks, its numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from askfirst.errors import AskfirstError, InvalidInput, InvalidRequest, NotFound
from askfirst.rules import Rulebook
from askfirst.rulesheet import RulebookRow, rulebook_rows
from askfirst.server import audit, twilioaccount, twiliocheck
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.settings import Settings
from askfirst.server.twilioaccount import REGIONS, Shown, TwilioAccount
from askfirst.server.twiliocheck import Addresses
from askfirst.telephony.twiliovalues import checked_sid
from askfirst.web import elsewherewords, twiliowords
from askfirst.web.api_account import changed
from askfirst.web.api_twilio import intake_of
from askfirst.web.bodies import Filled
from askfirst.web.placewords import every_place
from askfirst.web.settingsframe import Reader, Writer, setting
from askfirst.web.twiliopaths import FALLBACK, PROGRESS, VOICE
from askfirst.web.visit import Visit

router = APIRouter()

PAGE = "/settings/providers/twilio"
FIELDS = ("account_sid", "auth_token", "api_key", "api_secret", "signing_key", "signing_secret",
          "sender", "region")  # fmt: skip
SECRET = {"auth_token": "", "api_secret": "api_key", "signing_secret": "signing_key"}
"""Fields that are never shown, each with that of whose name it is the secret ("": the account)."""

CHECKS_WITHIN_S = 40.0
_STRICTNESS = ("auto", "ask", "forbid")


@dataclass(frozen=True, slots=True)
class Country:
    """A country that Twilio lets the account call, with the most that our rules ask there.

    `varies` is whether parts of it ask for different things.
    """

    name: str
    is_risky: bool
    mode: str
    tells: bool
    is_known: bool
    varies: bool


def addresses(settings: Settings) -> Addresses | None:
    """Where Twilio reaches us; None where no public address is set."""
    if settings.public_url is None:
        return None
    origin = settings.origin
    return Addresses(f"{origin}{VOICE}", f"{origin}{PROGRESS}", f"{origin}{FALLBACK}")


@router.get(PAGE)
def twilio_page(visit: Reader, request: Request, saved: bool = False) -> Response:
    """What is set, what the newest check found, and the account's numbers."""
    return _page(visit, request, saved=saved)


@router.post(PAGE)
def keep(visit: Writer, request: Request, form: Filled) -> Response:
    """Put credentials in force, or propose it; a secret that is left empty stays what it is."""
    typed = {key: str(form.get(key, "")).strip() for key in FIELDS}
    store = visit.site.store
    try:
        made = twilioaccount.read(_with_kept(visit, typed))
    except InvalidRequest as error:
        return _page(visit, request, typed=typed, wrong=error.key)
    with transaction(store.engine) as connection:
        twilioaccount.keep(connection, store.keys, made, visit.who.id, utc_now())
    changed(visit, {twilioaccount.SETTING: made.id})
    intake_of(request).forget_account()
    return RedirectResponse(f"{PAGE}?saved=1", status_code=303)


@router.post(f"{PAGE}/remove")
def remove(visit: Writer, request: Request) -> Response:
    """Take the credentials out of force, and wipe their secrets."""
    changed(visit, {twilioaccount.SETTING: None})
    intake_of(request).forget_account()
    return RedirectResponse(f"{PAGE}?saved=1", status_code=303)


@router.post(f"{PAGE}/check")
async def check(visit: Writer) -> Response:
    """Ask Twilio everything that the page shows; what it finds is kept for the page."""
    known = await asyncio.to_thread(_in_force, visit)
    if known is None:
        return RedirectResponse(PAGE, status_code=303)
    found: Mapping[str, Any]
    try:
        async with (
            asyncio.timeout(CHECKS_WITHIN_S),
            twiliocheck.client(known, visit.site.carrier.twilio_url) as asks,
        ):
            found = await twiliocheck.look(asks, addresses(visit.site.settings))
    except TimeoutError:
        found = {"login": "unreachable"}
    await asyncio.to_thread(_keep_checks, visit, known, found)
    return RedirectResponse(f"{PAGE}#checks", status_code=303)


@router.post(f"{PAGE}/numbers/{{number}}")
async def configure(visit: Writer, request: Request, number: str) -> Response:
    """Let a number ask us what to do with its calls, and tell us what became of them."""
    sid = _number_sid(number)
    known = await asyncio.to_thread(_in_force, visit)
    at = addresses(visit.site.settings)
    if known is None or at is None:
        raise NotFound("no account at Twilio, or no public_url, is set up; set both up first")
    try:
        async with twiliocheck.client(known, visit.site.carrier.twilio_url) as asks:
            await twiliocheck.configure(asks, sid, at)
            found = await twiliocheck.look(asks, at)
    except AskfirstError as error:
        said = visit.say(twiliowords.TROUBLE[twiliocheck.code_of(error)])
        return await asyncio.to_thread(_page, visit, request, refused=said)
    await asyncio.to_thread(_keep_checks, visit, known, found, sid)
    return RedirectResponse(f"{PAGE}#numbers", status_code=303)


def _number_sid(number: str) -> str:
    try:
        return checked_sid(number, "PN")
    except InvalidInput as error:
        raise NotFound("there is no such number; choose one of the list") from error


def _with_kept(visit: Visit, typed: Mapping[str, str]) -> dict[str, str]:
    """What was typed, with secrets in force where a field was left empty and its name is as was."""
    given = dict(typed)
    known = _in_force(visit)
    if known is None or known.account_sid != typed["account_sid"]:
        return given
    for secret, name in SECRET.items():
        is_same = not name or (typed[name] and typed[name] == getattr(known, name))
        if not typed[secret] and is_same:
            given[secret] = getattr(known, secret)
    return given


def _in_force(visit: Visit) -> TwilioAccount | None:
    with reading(visit.site.store.engine) as connection:
        return twilioaccount.in_force(connection, visit.site.store.keys)


def _keep_checks(
    visit: Visit, known: TwilioAccount, found: Mapping[str, Any], configured: str | None = None
) -> None:
    now = utc_now()
    with transaction(visit.site.store.engine) as connection:
        twilioaccount.keep_checks(connection, known.id, found, now)
        if configured is not None:
            audit.note(connection, now, visit.who.id, "provider.number-configured", configured)
        else:
            code = str(found.get("login", ""))
            audit.note(connection, now, visit.who.id, "provider.checked", known.id, {"login": code})


def _page(
    visit: Visit,
    request: Request,
    *,
    typed: Mapping[str, str] | None = None,
    wrong: str = "",
    refused: str = "",
    saved: bool = False,
) -> Response:
    with reading(visit.site.store.engine) as connection:
        known = twilioaccount.shown(connection)
    shown = {key: value for key, value in (typed or _kept(known)).items() if key not in SECRET}
    at = addresses(visit.site.settings)
    found = {} if known is None else known.checks
    return setting(
        visit,
        "settings_twilio.html",
        (twilioaccount.SETTING,),
        status=422 if wrong else 409 if refused else 200,
        saved=saved,
        known=known,
        typed=shown,
        wrong={
            key: visit.say(text) if key == wrong else "" for key, text in twiliowords.FIELDS.items()
        },
        refused=refused,
        at=at,
        is_secure=at is not None and at.is_https,
        regions=[(key, visit.say(text)) for key, text in twiliowords.REGIONS.items()],
        checks=_checks(visit, found),
        elsewhere=elsewherewords.told(visit),
        is_trial=found.get("kind") == "Trial",
        is_media_open=found.get("media") == "open",
        numbers=[
            (each, _said(visit, twiliowords.ANSWERED_BY, each["who"], "nobody"))
            for each in found.get("numbers", ())
        ],
        countries=_countries(visit, found.get("countries", {})),
        tally=_tally(visit, intake_of(request).tally),
    )


def _kept(known: Shown | None) -> dict[str, str]:
    kept = {key: str(getattr(known, key, None) or "") for key in FIELDS}
    return {**kept, "region": kept["region"] or REGIONS[0]}


def _said(
    visit: Visit, texts: Mapping[str, twiliowords.Said], code: object, fallback: str = "failed"
) -> twiliowords.Said:
    kind, icon, text = twiliowords.said(texts, code, fallback)
    return kind, icon, visit.say(text)


def _checks(visit: Visit, found: Mapping[str, Any]) -> list[tuple[str, twiliowords.Said]]:
    if not found:
        return []
    asked, carried = "not-asked", "no" if visit.site.carrier.twilio is None else "yes"
    return [
        (visit.say("Calls of this process"), _said(visit, twiliowords.CARRIED, carried)),
        (visit.say("Credentials"), _said(visit, twiliowords.LOGIN, found.get("login"))),
        (
            visit.say("Our public address"),
            _said(visit, twiliowords.WEBHOOK, found.get("webhook", "unreachable"), "unreachable"),
        ),
        (
            visit.say("Numbers"),
            _said(visit, twiliowords.NUMBERS, found.get("numbers_state", asked)),
        ),
        (
            visit.say("Recordings kept there"),
            _said(visit, twiliowords.MEDIA, found.get("media", asked)),
        ),
        (
            visit.say("Countries"),
            _said(visit, twiliowords.COUNTRIES, found.get("countries_state", asked)),
        ),
    ]


def _tally(visit: Visit, counted: Mapping[str, int]) -> list[tuple[str, str]]:
    return [
        (visit.say(text), str(counted[key]))
        for key, text in twiliowords.TALLY.items()
        if counted.get(key)
    ]


@cache
def _ruled(rules: Rulebook) -> Mapping[str, Sequence[RulebookRow]]:
    """The rules of every country and of its parts, which may ask for more than the country."""
    found: dict[str, list[RulebookRow]] = {}
    for row in rulebook_rows(rules):
        found.setdefault(row.code.partition("-")[0], []).append(row)
    return found


def _countries(visit: Visit, found: Mapping[str, str]) -> list[Country]:
    """The countries that Twilio lets the account call, by name, each with what our rules ask."""
    names, ruled = every_place(visit.site.rules, visit.language), _ruled(visit.site.rules)
    shown = []
    for code, state in found.items():
        rows = ruled.get(code, ())
        mode = max((row.mode for row in rows), key=_STRICTNESS.index, default="ask")
        tells = any(row.form for row in rows)
        varies = len({(row.mode, row.form) for row in rows}) > 1
        name = names.get(code, code)
        shown.append(Country(name, state == "risky", mode, tells, bool(rows), varies))
    return sorted(shown, key=lambda each: each.name)
