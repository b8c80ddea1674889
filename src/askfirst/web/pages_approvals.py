"""What waits for a second person: what it would change, and saying yes or no to it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from askfirst.errors import Refused, Unverified
from askfirst.override import parse_override
from askfirst.server import accounts, approvals
from askfirst.server.approvalkinds import KINDS
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.overrideregister import KIND, NAMELESS, proposed
from askfirst.web import queuewords
from askfirst.web.api_approvals import approved, concerns, declined
from askfirst.web.changewords import named, shown
from askfirst.web.complianceframe import tabs
from askfirst.web.overridewords import View, view
from askfirst.web.page import render
from askfirst.web.visit import InPerson, SignedIn, Visit

router = APIRouter()


@router.get("/compliance/approvals")
def approvals_page(visit: SignedIn) -> Response:
    """The proposals that concern the visit's person: their own, and those they may decide."""
    return _page(visit)


@router.post("/compliance/approvals/{proposal}")
def settle(visit: InPerson, proposal: str, verdict: Annotated[str, Form()] = "") -> Response:
    """Approve or decline somebody's proposal; one's own can only be taken back."""
    with reading(visit.site.store.engine) as connection:
        found = approvals.proposal(connection, proposal)
    visit.who.person.ensure(KINDS[found.kind].permission(found))
    try:
        if verdict == "approve":
            approved(visit, proposal)
        elif verdict == "decline":
            declined(visit, proposal)
        else:
            return _page(visit, error=visit.say("Choose one of the list."), status=422)
    except (Refused, Unverified) as error:
        return _page(visit, error=visit.told(error), status=403)
    return RedirectResponse("/compliance/approvals", status_code=303)


def _page(visit: Visit, *, error: str = "", status: int = 200) -> Response:
    person = visit.who.person
    with reading(visit.site.store.engine) as connection:
        waiting = [each for each in approvals.open_proposals(connection) if concerns(visit, each)]
        past = [each for each in approvals.decided_proposals(connection) if concerns(visit, each)]
        names = accounts.names(connection)
        overrides = {
            each.id: _override(visit, proposed(connection, each))
            for each in waiting
            if each.kind == KIND
        }
    return render(
        visit,
        "compliance_approvals.html",
        status=status,
        tabs=tabs(visit),
        error=error,
        names=names,
        waiting=[
            {
                "proposal": each,
                "kind": visit.say(queuewords.KINDS[each.kind]),
                "differences": [
                    (named(visit, key), shown(visit, before), shown(visit, after))
                    for key, before, after in each.differences()
                ],
                "override": overrides.get(each.id),
                "is_own": each.proposed_by == person.id,
                "may": approvals.may_decide(each, KINDS, person),
            }
            for each in waiting
        ],
        past=past,
        kinds=visit.said(queuewords.KINDS),
        states=visit.said(queuewords.PROPOSAL_STATES),
    )


def _override(visit: Visit, text: str | None) -> View | None:
    """The override that somebody proposes, in words; None where its text is gone."""
    if text is None:
        return None
    return view(visit, parse_override(text, NAMELESS).override, utc_now().date())
