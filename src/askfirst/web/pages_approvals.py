"""What waits for a second person: what it would change, and saying yes or no to it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from askfirst.errors import Refused
from askfirst.server import account, accounts, approvals
from askfirst.server.approvalkinds import KINDS
from askfirst.server.approvals import Proposal
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.guardedsettings import RECORDING
from askfirst.web import queuewords
from askfirst.web.api_queue import dispatch
from askfirst.web.complianceframe import tabs
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
    store, now = visit.site.store, utc_now()
    with reading(store.engine) as connection:
        found = approvals.proposal(connection, proposal)
    visit.who.person.ensure(KINDS[found.kind].permission(found))
    try:
        if verdict == "approve":
            done = approvals.approve(store, KINDS, proposal, visit.who.person, now)
            _follow(visit, done)
        elif verdict == "decline":
            approvals.decline(store, KINDS, proposal, visit.who.person, now)
        else:
            return _page(visit, error=visit.say("Choose one of the list."), status=422)
    except Refused as error:
        return _page(visit, error=visit.told(error), status=403)
    return RedirectResponse("/compliance/approvals", status_code=303)


def _follow(visit: Visit, done: Proposal) -> None:
    """What running calls and jobs have to be told of a change."""
    if RECORDING in done.after:
        with reading(visit.site.store.engine) as connection:
            enabled = account.account(connection).recording_enabled
        visit.site.carrier.switch_recording(enabled)
    dispatch(visit)


def _page(visit: Visit, *, error: str = "", status: int = 200) -> Response:
    person = visit.who.person
    with reading(visit.site.store.engine) as connection:
        waiting = [each for each in approvals.open_proposals(connection) if _concerns(visit, each)]
        past = [each for each in approvals.decided_proposals(connection) if _concerns(visit, each)]
        names = accounts.names(connection)
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
                    (key, _shown(visit, before), _shown(visit, after))
                    for key, before, after in each.differences()
                ],
                "is_own": each.proposed_by == person.id,
                "may": approvals.may_decide(each, KINDS, person),
            }
            for each in waiting
        ],
        past=past,
        kinds=visit.said(queuewords.KINDS),
        states=visit.said(queuewords.PROPOSAL_STATES),
    )


def _concerns(visit: Visit, found: Proposal) -> bool:
    permission = KINDS[found.kind].permission(found)
    return visit.may(permission) or found.proposed_by == visit.who.id


def _shown(visit: Visit, value: Any) -> str:
    """A value of a setting as people read it."""
    if value is None or value == "" or value == []:
        return "–"
    if isinstance(value, bool):
        return visit.say("yes") if value else visit.say("no")
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return str(value)
