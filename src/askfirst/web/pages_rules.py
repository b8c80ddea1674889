"""The rules, public and readable without script: all of them, one, and the number checker.

A number that is typed into the checker goes into no address, no log and no table.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated

from fastapi import APIRouter, Form, Request
from markupsafe import Markup
from starlette.responses import Response

from askfirst.decide import request as decide_request
from askfirst.errors import InvalidRequest, NotFound
from askfirst.explain import notice
from askfirst.model import Decision
from askfirst.notice import NoticeFacts
from askfirst.rules import Jurisdiction, Rulebook
from askfirst.rulesheet import RulebookRow, rulebook_rows, to_csv, to_json_text
from askfirst.server.clock import utc_now
from askfirst.web import words
from askfirst.web.api_decisions import ensure_may_ask
from askfirst.web.maps import svg
from askfirst.web.page import render
from askfirst.web.pages_reviews import review_of
from askfirst.web.placewords import by_name, ruled_places
from askfirst.web.visit import AnyVisit, Visit

router = APIRouter()

_KINDS = {"auto": "may", "ask": "ask", "forbid": "no"}
_WORDS = {
    "may": words.mark("May record"),
    "tell": words.mark("Tell first"),
    "ask": words.mark("Ask first"),
    "no": words.mark("Do not record"),
}
_DESCRIPTION = words.mark(
    "Each place is a link to its rules. The table says the same in words. Small places are dots, "
    "some beside where they are. Borders are drawn as they are in effect; that takes no side."
)

Field = Annotated[str, Form()]


@router.get("/rules")
def rules(visit: AnyVisit, mode: str = "", find: str = "") -> Response:
    """Every jurisdiction in a table, filtered by mode and name."""
    rows = [
        row
        for row in _rows(visit.site.rules)
        if (not mode or row.mode == mode)
        and find.casefold() in f"{row.code} {_name(visit, row.code)}".casefold()
    ]
    return render(
        visit,
        "rules.html",
        rows=rows,
        mode=mode,
        find=find[:60],
        name=lambda code: _name(visit, code),
        maps=_maps(visit.site.rules, visit.language),
    )


@router.get("/rules.csv")
def rules_csv(visit: AnyVisit) -> Response:
    """The table as CSV."""
    return Response(
        to_csv(visit.site.rules),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": 'attachment; filename="askfirst-rules.csv"'},
    )


@router.get("/rules.json")
def rules_json(visit: AnyVisit) -> Response:
    """The table as JSON."""
    return Response(
        to_json_text(visit.site.rules),
        media_type="application/json",
        headers={"content-disposition": 'attachment; filename="askfirst-rules.json"'},
    )


@router.get("/rules/check")
def check_page(visit: AnyVisit) -> Response:
    """The number checker, empty."""
    return _checker(visit, {}, None)


@router.post("/rules/check")
def check(
    visit: AnyVisit,
    request: Request,
    number: Field = "",
    also: Field = "",
    agent: Field = "",
    purpose: Field = "",
) -> Response:
    """The answer for a number; nothing of it is kept."""
    ensure_may_ask(visit, request)
    values = {"number": number[:40], "also": also, "agent": agent, "purpose": purpose}
    asked: dict[str, object] = {
        "agent_location": agent or None,
        "contact_numbers": [number.strip()],
        "contact_known_location": also or None,
        "purpose": purpose or None,
        "language": visit.language,
    }
    try:
        decision = decide_request(asked, utc_now().date(), visit.site.rules)
    except InvalidRequest as error:
        return _checker(visit, values, None, error=visit.told(error), status=422)
    return _checker(visit, values, decision)


@router.get("/rules/{code}")
def rule(visit: AnyVisit, code: str) -> Response:
    """One jurisdiction with its rules, sources and duties."""
    file = visit.site.rules.jurisdictions.get(code)
    if file is None:
        raise NotFound(f"there is no rule file {code[:12]}; all of them stand under Rules")
    row = next(row for row in _rows(visit.site.rules) if row.code == code)
    return render(
        visit,
        "rule.html",
        file=file,
        row=row,
        name=_name(visit, code),
        say=_say(visit),
        review=review_of(visit, code),
    )


def _checker(
    visit: Visit,
    values: dict[str, str],
    decision: Decision | None,
    *,
    error: str | None = None,
    status: int = 200,
) -> Response:
    shown = None
    if decision is not None:
        # The account's name and purpose are said to its own people only.
        own = visit.account.notice_facts(visit.language) if visit.user is not None else None
        said = notice(decision, visit.language, own or NoticeFacts(visit.say("Your company")))
        shown = {
            "mode": decision.mode.word,
            "unknown": any(party.unknown for party in decision.parties),
            "deciding": [_name(visit, code) for code in decision.primary],
            "decision": decision,
            "notice": said,
        }
    return render(
        visit,
        "check.html",
        status=status,
        values={key: values.get(key, "") for key in ("number", "also", "agent", "purpose")},
        shown=shown,
        error=error,
        places=by_name(ruled_places(visit.site.rules, visit.language)),
    )


def _name(visit: Visit, code: str) -> str:
    file = visit.site.rules.jurisdictions.get(code)
    return code if file is None else _in(file, visit.language)


def _in(file: Jurisdiction, language: str) -> str:
    return file.name.get(language, file.name["en"])


def _say(visit: Visit) -> object:
    """Texts of rule files in the visit's language."""
    return lambda texts: texts.get(visit.language, texts["en"])


@cache
def _maps(rules: Rulebook, language: str) -> Mapping[str, Markup]:
    """The maps by name, in a language; drawn once, for rules change with a new start."""
    marks = {}
    for row in _rows(rules):
        kind = _KINDS[row.mode] if row.form is None or row.mode != "auto" else "tell"
        marks[row.code] = (kind, words.gettext(language, _WORDS[kind]))
    titles = {"world": words.mark("Map of the world"), "us": words.mark("Map of the United States")}

    def name(code: str) -> str:
        file = rules.jurisdictions.get(code)
        return code if file is None else _in(file, language)

    return {
        which: Markup(  # noqa: S704 - made by `maps`, which escapes every word
            svg(
                which,
                marks,
                title=words.gettext(language, title),
                href=lambda code: f"/rules/{code}",
                name=name,
                description=words.gettext(language, _DESCRIPTION),
            )
        )
        for which, title in titles.items()
    }


@cache
def _rows(rules: Rulebook) -> tuple[RulebookRow, ...]:
    return rulebook_rows(rules)
