"""Settings: the announcements that calls need, each in the account's own voice or whose else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput, NotFound
from askfirst.model import UNKNOWN
from askfirst.notice import LANGUAGES
from askfirst.policy import OWN_PROFILE
from askfirst.server import ownnumbers, ownprompts
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.neededprompts import NeededPrompt, Unsayable, needed_prompts
from askfirst.server.ownprompts import LARGEST_BYTES
from askfirst.server.texts import LONGEST_SECONDS
from askfirst.speech import placeholder
from askfirst.web import words
from askfirst.web.placewords import ruled_places
from askfirst.web.ranges import ranged
from askfirst.web.settingsframe import Reader, Writer, setting
from askfirst.web.settingwords import NOTICE_LANGUAGES
from askfirst.web.visit import Visit

router = APIRouter()

NAMED = 3
"""How many places stand in a heading; the others are folded."""

_FORM_BYTES = 64 * 1024  # what a form adds to the file in it

RECORDED, PLACEHOLDER, MISSING = "recorded", "placeholder", "missing"
STATES: Mapping[str, tuple[str, str]] = {
    RECORDED: (words.mark("Recorded"), "circle-check"),
    PLACEHOLDER: (words.mark("Computer voice"), "triangle-alert"),
    MISSING: (words.mark("No announcement"), "triangle-alert"),
}


async def recording(request: Request) -> bytes:
    """The file of a form, read no further than one may be large."""
    length = request.headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()) or int(length) > LARGEST_BYTES + _FORM_BYTES:
        raise InvalidInput(
            f"found a file over {LARGEST_BYTES // 1024 // 1024} MB; an announcement is shorter"
        )
    async with request.form(max_files=1, max_fields=1) as form:
        file = form.get("file")
        return await file.read() if isinstance(file, UploadFile) else b""


Recording = Annotated[bytes, Depends(recording)]


@router.get("/settings/prompts")
def prompts_page(visit: Reader, language: str = "", saved: bool = False) -> Response:
    """Every announcement that calls from home may need in a language, and who speaks it."""
    return _prompts(visit, _language(visit, language), saved=saved)


@router.post("/settings/prompts/{language}/{digest}")
def record(visit: Writer, language: str, digest: str, content: Recording) -> Response:
    """Keep a recording of an announcement that is needed now, in place of an earlier one."""
    now = utc_now()
    found, _ = _needed(visit, language)
    wanted = next((each for each in found if each.digest == digest), None)
    if wanted is None:
        raise NotFound(
            "no call needs this announcement any more; its text has changed. Open the page again "
            "and record what is listed there"
        )
    try:
        with transaction(visit.site.store.engine) as connection:
            ownprompts.keep(connection, language, wanted.text, content, visit.who.id, now)
    except InvalidInput as error:
        return _prompts(visit, language, wrong=digest, error=visit.told(error))
    return _back(language)


@router.post("/settings/prompts/{language}/{digest}/remove")
def remove(visit: Writer, language: str, digest: str) -> Response:
    """Forget a recording, whether or not a call needs it."""
    with transaction(visit.site.store.engine) as connection:
        ownprompts.remove(connection, language, digest, visit.who.id, utc_now())
    return _back(language)


@router.get("/settings/prompts/{language}/{digest}/sound")
def sound(visit: Reader, request: Request, language: str, digest: str) -> Response:
    """The recording, as it is played on calls."""
    with reading(visit.site.store.engine) as connection:
        content = ownprompts.sound_of(connection, language, digest)

    def part(first: int, last: int) -> bytes:
        return content[first : last + 1]

    return ranged(part, len(content), request.headers.get("range"), "audio/ogg")


def _back(language: str) -> Response:
    return RedirectResponse(f"/settings/prompts?language={language}&saved=1", status_code=303)


def _language(visit: Visit, asked: str) -> str:
    """The language that is shown; the account's where another or none was asked for."""
    return asked if asked in LANGUAGES else visit.account.language


def _prompts(
    visit: Visit, language: str, *, wrong: str = "", error: str | None = None, saved: bool = False
) -> Response:
    found, unsayable = _needed(visit, language)
    with reading(visit.site.store.engine) as connection:
        own = {each.digest: each for each in ownprompts.all_of(connection, language)}
    speaks = placeholder.is_installed() and language in placeholder.VOICES
    otherwise = PLACEHOLDER if speaks else MISSING
    states = {each.digest: RECORDED if each.digest in own else otherwise for each in found}
    account = visit.account
    return setting(
        visit,
        "settings_prompts.html",
        (),
        status=422 if error else 200,
        saved=saved,
        error=error,
        wrong=wrong,
        language_of_text=language,
        tabs_of_languages=[
            (f"/settings/prompts?language={code}", name, code == language)
            for code, name in NOTICE_LANGUAGES.items()
        ],
        needed=[(each, *_named(visit, each)) for each in found],
        unsayable=[(visit.told(each.fault), *_named(visit, each)) for each in unsayable],
        own=own,
        unused=[each for each in own.values() if each.digest not in states],
        states=states,
        chips={name: (visit.say(text), icon) for name, (text, icon) in STATES.items()},
        count=sum(state != RECORDED for state in states.values()),
        otherwise=otherwise,
        starts=account.announces and account.policy().profile == OWN_PROFILE,
        longest=LONGEST_SECONDS,
        largest=LARGEST_BYTES // 1024 // 1024,
    )


def _needed(visit: Visit, language: str) -> tuple[list[NeededPrompt], list[Unsayable]]:
    """What calls from home need in a language; nothing in one without notices."""
    if language not in LANGUAGES:
        return [], []
    site = visit.site
    places = (*ruled_places(site.rules, visit.language), UNKNOWN)
    home = visit.account.home_place or visit.who.place
    with reading(site.store.engine) as connection:
        messages = any(each.takes_messages for each in ownnumbers.all_of(connection))
    today = utc_now().date()
    return needed_prompts(
        visit.account,
        home,
        language,
        places,
        site.rules,
        today,
        messages=messages,
        understands=site.carrier.understands(language),
    )


def _named(visit: Visit, needed: NeededPrompt | Unsayable) -> tuple[list[str], list[str]]:
    """Names of places as a heading has them, home first, and of the others."""
    names = ruled_places(visit.site.rules, visit.language)
    home = visit.account.home_place
    known = sorted(
        (code for code in needed.places if code in names),
        key=lambda code: (code != home, names[code]),
    )
    every = [names[code] for code in known]
    if UNKNOWN in needed.places:
        every.append(visit.say("Place unknown"))
    return every[:NAMED], every[NAMED:]
