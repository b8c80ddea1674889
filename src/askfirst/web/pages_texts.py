"""Settings: what is said on calls in each language, and the notice that employees read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from askfirst.decide import decide
from askfirst.errors import InvalidInput, InvalidRequest
from askfirst.model import Decision, Party, Place
from askfirst.notice import LANGUAGES
from askfirst.server import accounts, agreements, employeenotice, texts
from askfirst.server.account import Account
from askfirst.server.accountkeys import PHRASES, phrase
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.web import words
from askfirst.web.api_account import changed
from askfirst.web.bodies import Filled
from askfirst.web.placewords import by_name, ruled_places
from askfirst.web.settingsframe import Reader, Writer, setting
from askfirst.web.settingwords import ELEMENTS, NOTICE_LANGUAGES
from askfirst.web.visit import Visit

router = APIRouter()

Field = Annotated[str, Form()]

NOTICE_KEYS = ("notice_text", "notice_version")


@router.get("/settings/texts")
def texts_page(visit: Reader, language: str = "", place: str = "", saved: bool = False) -> Response:
    """The account's phrases in a language, and what is said with them on a call to a place."""
    chosen = language if language in LANGUAGES else visit.account.language
    return _texts(visit, chosen, place, dict(visit.account.texts.get(chosen, {})), saved=saved)


@router.post("/settings/texts")
def change_texts(visit: Writer, form: Filled) -> Response:
    """Keep the phrases of one language, or only show what they would sound like."""
    language, place = str(form.get("language", "")), str(form.get("place", ""))
    if language not in LANGUAGES:
        raise InvalidRequest(
            f"found no language of notices; expected {', '.join(LANGUAGES)}", key="language"
        )
    values = {name: str(form.get(name, "")).strip() for name in PHRASES}
    wrong = _wrong(values)
    if wrong or form.get("do") == "preview":
        return _texts(visit, language, place, values, wrong=wrong)
    own = {name: text for name, text in values.items() if text}
    changed(visit, {"texts": {**visit.account.texts, language: own}})
    return RedirectResponse(
        f"/settings/texts?language={language}&place={_place(visit, place)}&saved=1",
        status_code=303,
    )


@router.get("/settings/notice")
def notice_page(visit: Reader, fresh: bool = False, saved: bool = False) -> Response:
    """The employee notice, who has read which version of it, and a form for the next one."""
    return _notice(visit, saved=saved, fresh=fresh)


@router.post("/settings/notice")
def publish_notice(visit: Writer, en: Field = "", nb: Field = "") -> Response:
    """Publish another text as the next version; nobody is recorded until they have read it."""
    now, values = utc_now(), {"en": en, "nb": nb}
    try:
        with transaction(visit.site.store.engine) as connection:
            employeenotice.publish(connection, values, visit.who.id, now)
    except InvalidInput as error:
        return _notice(visit, values=values, error=visit.told(error))
    return RedirectResponse("/settings/notice?saved=1", status_code=303)


def _wrong(values: Mapping[str, str]) -> list[str]:
    """Names of phrases that cannot be used."""
    wrong = []
    for name, text in values.items():
        try:
            if text:
                phrase("texts", name, text)
        except InvalidRequest:
            wrong.append(name)
    return wrong


def _texts(
    visit: Visit,
    language: str,
    place: str,
    values: Mapping[str, str],
    *,
    wrong: list[str] | None = None,
    saved: bool = False,
) -> Response:
    where = _place(visit, place)
    good = {name: text for name, text in values.items() if text and name not in (wrong or ())}
    tried = replace(visit.account, texts={**visit.account.texts, language: good})
    shown = texts.preview(
        tried,
        _decision(visit, tried, where),
        language,
        understands=visit.site.carrier.understands(language),
    )
    with reading(visit.site.store.engine) as connection:
        versions = texts.versions(connection, language)
    return setting(
        visit,
        "settings_texts.html",
        ("texts", "purpose_sentence", "privacy_url"),
        status=422 if wrong else 200,
        saved=saved,
        language_of_text=language,
        tabs_of_languages=[
            (f"/settings/texts?language={code}&place={where}", name, code == language)
            for code, name in NOTICE_LANGUAGES.items()
        ],
        values={name: values.get(name, "") for name in PHRASES},
        wrong=wrong or [],
        is_kept=good == dict(visit.account.texts.get(language, {})),
        shown=replace(shown, fault=shown.fault and visit.told(shown.fault)),
        place=where,
        places=by_name(ruled_places(visit.site.rules, visit.language)),
        elements=visit.said(ELEMENTS),
        versions=versions,
    )


def _decision(visit: Visit, wants: Account, place: str) -> Decision:
    """What a call from home to somebody in a place asks for today."""
    home = wants.home_place or visit.who.place
    agent = Party.agent(home) if home else Party.agent()
    contact = Party.contact(Place(place)) if place else Party.contact()
    # What would be said is worth seeing while recording is switched off, too.
    policy = replace(wants.policy(), recording_enabled=True)
    return decide([agent, contact], utc_now().date(), visit.site.rules, policy)


def _place(visit: Visit, asked: str) -> str:
    """The place that the preview is for; home where another or none was asked for."""
    known = ruled_places(visit.site.rules, visit.language)
    home = visit.account.home_place or ""
    return asked if asked in known else home if home in known else "NO"


def _notice(
    visit: Visit,
    *,
    values: Mapping[str, str] | None = None,
    error: str | None = None,
    saved: bool = False,
    fresh: bool = False,
) -> Response:
    with reading(visit.site.store.engine) as connection:
        present = employeenotice.present(connection)
        versions = employeenotice.versions(connection)
        readings = employeenotice.readings(connection)
        everybody = [each for each in accounts.all_users(connection) if not each.is_disabled]
        agreed = agreements.by_user(connection, visit.account)
    latest = {each.user: each for each in reversed(readings)}
    proposed = employeenotice.proposed(visit.account)
    return setting(
        visit,
        "settings_notice.html",
        NOTICE_KEYS,
        status=422 if error else 200,
        saved=saved,
        error=error,
        present=present,
        values=values or (proposed if fresh else present.texts),
        # A text of the account's own says what it wants; the packaged one should fit the settings.
        is_outdated=present.by is None and dict(present.texts) != proposed,
        people=[(each, latest.get(each.id)) for each in everybody],
        agreed=agreed,
        agreeing={
            each.id
            for each in everybody
            if agreements.is_wanted(each, visit.account, visit.site.rules)
        },
        agreement=agreements.present(visit.account),
        versions=versions[::-1],
        readings=readings,
        own_names=words.LANGUAGES,
    )
