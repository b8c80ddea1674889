"""Settings: the trackers, which whoever leads a team keeps for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidRequest
from askfirst.server import accounts, trackerchanges, trackerlist, trackerpreview
from askfirst.server.access import Permission, Reach
from askfirst.server.callnotes import Conflict
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.stemming import LANGUAGES
from askfirst.server.trackerchanges import Draft
from askfirst.server.trackerpreview import Preview
from askfirst.trackers import MOST_BETWEEN, SaidBy
from askfirst.web import words
from askfirst.web.api_queue import dispatch
from askfirst.web.api_trackers import draft_of
from askfirst.web.bodies import Filled
from askfirst.web.settingsframe import setting
from askfirst.web.visit import Visit, permitted

router = APIRouter()

Manager = Annotated[Visit, Depends(permitted(Permission.TRACKERS_MANAGE))]

SAID_BY: Mapping[str, str] = {
    SaidBy.BOTH: words.mark("both sides"),
    SaidBy.AGENT: words.mark("our side"),
    SaidBy.CONTACT: words.mark("the other side"),
}
NAMES: Mapping[str, str] = {
    "en": "English",
    "nb": "Norsk bokmål",
    "de": "Deutsch",
    "da": "Dansk",
    "es": "Español",
    "fr": "Français",
    "nl": "Nederlands",
    "sv": "Svenska",
}
"""Languages of phrases, each by its own name, the commonest here first."""

FIRST = ("en", "nb", "de")
"""Languages whose phrases are asked for at once; the others are folded away."""

ADDRESS = "/settings/trackers"


@router.get(ADDRESS)
def trackers_page(visit: Manager, change: str = "", saved: bool = False) -> Response:
    """The trackers for calls that somebody manages, and a form for another or the one to change."""
    if not change:
        return _trackers(visit, _new(visit), saved=saved)
    with reading(visit.site.store.engine) as connection:
        kept = trackerlist.get(connection, visit.who.person, change)
    return _trackers(visit, draft_of(kept), identity=kept.id, version=str(kept.version))


@router.post(ADDRESS)
def make_tracker(visit: Manager, form: Filled) -> Response:
    """Keep a new tracker, or say what it would have found."""
    return _kept(visit, form, "")


@router.post(f"{ADDRESS}/{{tracker}}")
def change_tracker(visit: Manager, tracker: str, form: Filled) -> Response:
    """Change a tracker, or say what it would have found as it is written."""
    return _kept(visit, form, tracker)


@router.post(f"{ADDRESS}/{{tracker}}/end")
def end_tracker(visit: Manager, tracker: str, version: Annotated[str, Form()] = "") -> Response:
    """Look for a tracker no longer; where it was said goes with it."""
    try:
        with transaction(visit.site.store.engine) as connection:
            person, now = visit.who.person, utc_now()
            trackerchanges.end(connection, person, tracker, _number(version, "version"), now)
    except Conflict as error:
        return _trackers(visit, _new(visit), error=visit.told(error), status=409)
    return RedirectResponse(f"{ADDRESS}?saved=1", status_code=303)


def _kept(visit: Visit, form: FormData, identity: str) -> Response:
    version = str(form.get("version", ""))
    draft = _new(visit)
    try:
        draft = _typed(form)
        if "try" in form:
            found = trackerpreview.preview(visit.site.store, visit.who.person, draft, utc_now())
            return _trackers(visit, draft, identity=identity, version=version, preview=found)
        _keep(visit, identity, version, draft)
    except InvalidRequest as error:
        return _trackers(
            visit,
            draft,
            identity=identity,
            version=version,
            wrong=error.key,
            error=visit.told(error),
            status=422,
        )
    except Conflict as error:
        told = visit.told(error)
        return _trackers(visit, draft, identity=identity, version=version, error=told, status=409)
    dispatch(visit)
    return RedirectResponse(f"{ADDRESS}?saved=1", status_code=303)


def _keep(visit: Visit, identity: str, version: str, draft: Draft) -> None:
    person, now = visit.who.person, utc_now()
    with transaction(visit.site.store.engine) as connection:
        if identity:
            number = _number(version, "version")
            trackerchanges.change(connection, person, identity, number, draft, now)
        else:
            trackerchanges.make(connection, person, draft, now)


def _new(visit: Visit) -> Draft:
    """An empty draft; of the own team for who manages no other."""
    reach = visit.who.person.reach(Permission.TRACKERS_MANAGE)
    return Draft(team=None if reach is Reach.ALL else visit.who.team)


def _typed(form: FormData) -> Draft:
    """What a form says; a phrase stands on each line. Raises InvalidRequest for no number."""
    return Draft(
        name=str(form.get("name", "")),
        team=str(form.get("team", "")) or None,
        phrases={
            language: tuple(str(form.get(f"phrases.{language}", "")).splitlines())
            for language in LANGUAGES
        },
        said_by=str(form.get("said_by", "")) or SaidBy.BOTH.value,
        between=_number(str(form.get("between", "")) or "0", "between"),
    )


def _number(text: str, key: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidRequest(f"{key}: expected a whole number", key=key)
    return int(text)


def _trackers(
    visit: Visit,
    shown: Draft,
    *,
    identity: str = "",
    version: str = "",
    preview: Preview | None = None,
    wrong: str = "",
    error: str = "",
    status: int = 200,
    saved: bool = False,
) -> Response:
    person = visit.who.person
    with reading(visit.site.store.engine) as connection:
        kept = [
            (
                each,
                trackerlist.progress(connection, each),
                trackerlist.may_manage(person, each.team),
            )
            for each in trackerlist.listed(connection, person)
        ]
        everybody = accounts.all_users(connection)
    of_all = person.reach(Permission.TRACKERS_MANAGE) is Reach.ALL
    teams = {each.team for each in everybody} | {each.team for each, _, _ in kept} | {shown.team}
    ordered = [language for language in NAMES if language in LANGUAGES]
    return setting(
        visit,
        "settings_trackers.html",
        (),
        Permission.TRACKERS_MANAGE,
        status=status,
        saved=saved,
        trackers=kept,
        is_looking=any(not progress.is_over for _, progress, _ in kept),
        shown=shown,
        identity=identity,
        version=version,
        preview=preview,
        wrong=wrong,
        error=error,
        of_all=of_all,
        may_add=of_all or person.team is not None,
        teams=[(team, team) for team in sorted(team for team in teams if team)],
        said_by=list(visit.said(SAID_BY).items()),
        language_names=NAMES,
        first=[each for each in ordered if each in FIRST],
        others=[each for each in ordered if each not in FIRST],
        others_open=any(said for language, said in shown.phrases.items() if language not in FIRST),
        most_between=MOST_BETWEEN,
    )
