"""Settings: the papers that the account owes, made from the settings as they are now."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from babel import Locale
from fastapi import APIRouter
from starlette.responses import Response

from askfirst.errors import NotFound
from askfirst.rules import Rulebook
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.paper import pdf
from askfirst.server.paperfacts import Grounds, grounds
from askfirst.server.papers import LANGUAGES, Made, PaperKind, paper
from askfirst.server.papervalues import values
from askfirst.web.page import render
from askfirst.web.placewords import every_place
from askfirst.web.settingsframe import Reader, setting
from askfirst.web.visit import Visit

router = APIRouter()

PAPERS = "/settings/papers"


class PaperLanguage(StrEnum):
    """The languages that papers are written in."""

    EN = "en"
    NB = "nb"
    DE = "de"


@router.get(PAPERS)
def papers_page(visit: Reader) -> Response:
    """Every paper, with how much of it has still to be filled in."""
    found = _grounds(visit)
    filled = values(found, visit.language, _places(visit.site.rules, visit.language))
    made = [(kind.value, paper(kind, visit.language, filled)) for kind in PaperKind]
    return setting(
        visit,
        "settings_papers.html",
        (),
        permission=Permission.SETTINGS_READ,
        papers=made,
        tongues=LANGUAGES,
    )


# Before the page: its address would be one of it.
@router.get(f"{PAPERS}/{{paper_kind}}.pdf")
def paper_pdf(visit: Reader, paper_kind: str, language: PaperLanguage | None = None) -> Response:
    """A paper as PDF."""
    kind, spoken = _kind(paper_kind), _language(visit, language)
    made = _made(visit, kind, spoken)
    name = f"askfirst-{kind}-{spoken}.pdf"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(pdf(made.paper), media_type="application/pdf", headers=headers)


@router.get(f"{PAPERS}/{{paper_kind}}")
def paper_page(visit: Reader, paper_kind: str, language: PaperLanguage | None = None) -> Response:
    """A paper as a page to print; in the language of the visit where none is asked for."""
    kind, spoken = _kind(paper_kind), _language(visit, language)
    made = _made(visit, kind, spoken)
    return render(
        visit,
        "settings_paper.html",
        kind=kind.value,
        paper=made.paper,
        gaps=len(made.gaps),
        spoken=spoken,
        tongues=LANGUAGES,
    )


def _kind(word: str) -> PaperKind:
    if word not in set(PaperKind):
        raise NotFound("there is no such paper; choose one of the list under Settings, Papers")
    return PaperKind(word)


def _language(visit: Visit, asked: PaperLanguage | None) -> str:
    return visit.language if asked is None else asked.value


def _made(visit: Visit, kind: PaperKind, language: str) -> Made:
    places = _places(visit.site.rules, language)
    return paper(kind, language, values(_grounds(visit), language, places))


def _grounds(visit: Visit) -> Grounds:
    site = visit.site
    return grounds(site.store, site.settings, site.rules, utc_now())


def _places(rules: Rulebook, language: str) -> Mapping[str, str]:
    """Names of places; rule files have none in German, where countries have Babel's."""
    known = every_place(rules, language)
    if language != PaperLanguage.DE:
        return known
    territories = Locale.parse(language).territories
    return {code: str(territories.get(code, name)) for code, name in known.items()}
