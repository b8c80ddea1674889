"""The phone before a call: whom it would reach, what the law asks there, and what to say.

Nothing here dials. A number is posted and stands in no address but `/dial?to=`, which links of
other programs open.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from starlette.responses import JSONResponse, Response

from askfirst.explain import notice
from askfirst.model import Decision, Role
from askfirst.rulefile import AGREEMENT
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.contactcard import standard
from askfirst.server.contacts import last_consent
from askfirst.server.contactsearch import Search, find
from askfirst.server.database import reading
from askfirst.server.desk import SPOKEN
from askfirst.server.ownnumbers import shown_by
from askfirst.server.precall import PreCall
from askfirst.server.privatecall import may_be_private
from askfirst.web import callwords
from askfirst.web.page import render
from askfirst.web.placewords import by_name, every_place
from askfirst.web.visit import Visit, permitted

router = APIRouter()

Caller = Annotated[Visit, Depends(permitted(Permission.CALLS_MAKE))]

EMERGENCY = frozenset(["000", "101", "108", "110", "112", "113", "118", "119", "911", "999"])
"""Numbers at which somebody would wait for help that this phone cannot bring."""

LONGEST = 60
OFFERED = 8


@router.get("/phone")
def phone(visit: Caller) -> Response:
    """The phone alone, for a window of its own."""
    return render(visit, "phone_alone.html")


@router.get("/dial")
def dial(visit: Caller, to: str = "") -> Response:
    """A number that another program wants to call: it is shown, and a person presses Call."""
    number = to.removeprefix("tel:").strip()[:LONGEST]
    return render(visit, "dial.html", number=number)


@router.post("/phone/card")
def card(visit: Caller, to: Annotated[str, Form()] = "") -> Response:
    """The part of a page that is shown before a call to a number, or to somebody of a name."""
    return Response(_card(visit, to.strip()[:LONGEST]), media_type="text/html")


@router.get("/phone/places")
def places(visit: Caller) -> Response:
    """Codes and names of every place, in the order of the names in the visit's language."""
    found = by_name(every_place(visit.site.rules, visit.language))
    return JSONResponse(found, headers={"cache-control": "private, max-age=3600"})


def _card(visit: Visit, to: str) -> bytes:
    if to.replace(" ", "") in EMERGENCY:
        return _shown(visit, "emergency")
    desk = visit.site.carrier.desk
    callee = desk.callee(to)
    if callee is None and standard(to) is None:
        return _people(visit, to)
    start = desk.prepare(visit.who, to)
    decision = start.decide(utc_now().date(), visit.site.rules, desk.overrides, language=SPOKEN)
    with reading(visit.site.store.engine) as connection:
        last = None if start.contact is None else last_consent(connection, start.contact.id)
        shown_numbers = [] if callee else shown_by(connection, visit.who.person)
    paper, is_covered = start.on_file(decision, utc_now().date())
    name = start.name or (callee.summary.get(visit.language, "") if callee else "")
    names = every_place(visit.site.rules, visit.language)
    shown = {
        "number": start.number,
        "contact": start.contact,
        "name": name or start.number,
        "decision": decision,
        "last": last,
        "paper": paper,
        "is_covered": is_covered,
        "may_be_private": may_be_private(start.account.private_calls, start.policy),
        "lacks_agreement": not start.has_agreed
        and any(each.party == 0 and each.gate == AGREEMENT for each in decision.workplace),
        "kinds": visit.said(callwords.KINDS),
        "is_callable": not start.awaits_review and (callee is not None or desk.outside is not None),
        "first_calls": [
            (names.get(each.country, each.country), each.country, each.is_reviewed)
            for each in start.first_calls
        ],
        "shown_numbers": [(each.number, f"{each.number} {each.name}") for each in shown_numbers],
        "awaits": [names.get(code, code) for code in start.awaits_review],
        **_said(visit, start, decision),
    }
    return _shown(visit, values=shown)


def _said(visit: Visit, start: PreCall, decision: Decision) -> dict[str, object]:
    """What the card says of a decision: who is where, which place decides, the sentence."""
    names = every_place(visit.site.rules, visit.language)
    where = {
        # Number and contact may say the same place.
        party.role: list(dict.fromkeys(names.get(each.code, each.code) for each in party.places))
        for party in decision.parties
    }
    return {
        "say": notice(decision, SPOKEN, start.account.notice_facts(SPOKEN)),
        "own": where.get(Role.AGENT) or [visit.say("place unknown")],
        "theirs": where.get(Role.CONTACT) or [visit.say("place unknown")],
        "deciding": [names[code] for code in decision.primary if code in names],
        "rule": next((code for code in decision.primary if code in names), None),
        "is_unknown": any(party.unknown for party in decision.parties),
        "owes": bool(decision.requirements),
    }


def _people(visit: Visit, text: str) -> bytes:
    """Contacts whose name fits what was typed; what is neither name nor number is said to be so."""
    if not any(letter.isalpha() for letter in text) or not visit.may(Permission.CONTACTS_READ):
        return _shown(visit, "number")
    with reading(visit.site.store.engine) as connection:
        found = find(connection, Search(text=text), limit=OFFERED)
    people = [
        (each.name or each.company, each.party.number)
        for each in found.contacts
        if each.party.number
    ]
    return _shown(visit, "" if people else "nobody", {"people": people})


def _shown(visit: Visit, fault: str = "", values: Mapping[str, object] | None = None) -> bytes:
    known: dict[str, Any] = {"people": [], "decision": None, **(values or {})}
    return bytes(render(visit, "card.html", fault=fault, **known).body)
