"""What waits for a second person over HTTP: what it would change, and a yes or no to it."""

from __future__ import annotations

from fastapi import APIRouter

from askfirst.ledger import timestamp
from askfirst.server import account, approvals
from askfirst.server.approvalkinds import KINDS
from askfirst.server.approvals import Proposal
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.guardedsettings import RECORDING
from askfirst.web.api_queue import dispatch
from askfirst.web.visit import SignedIn, Visit

router = APIRouter(tags=["compliance"])


@router.get("/approvals")
def list_approvals(visit: SignedIn) -> dict[str, object]:
    """The open proposals that you may decide or have made, oldest first, and the newest decided."""
    with reading(visit.site.store.engine) as connection:
        waiting = approvals.open_proposals(connection)
        past = approvals.decided_proposals(connection)
    return {
        "waiting": [_shown(visit, each) for each in waiting if concerns(visit, each)],
        "decided": [_shown(visit, each) for each in past if concerns(visit, each)],
    }


@router.post("/approvals/{proposal}/approve")
def approve(visit: SignedIn, proposal: str) -> dict[str, object]:
    """Carry out what somebody else has proposed; needs the permission of the change itself."""
    approved(visit, proposal)
    return _found(visit, proposal)


@router.post("/approvals/{proposal}/decline")
def decline(visit: SignedIn, proposal: str) -> dict[str, object]:
    """Let a proposal go; whoever made it takes it back so."""
    declined(visit, proposal)
    return _found(visit, proposal)


def concerns(visit: Visit, found: Proposal) -> bool:
    """Whether the visit's person has proposed this, or could decide it."""
    permission = KINDS[found.kind].permission(found)
    return visit.may(permission) or found.proposed_by == visit.who.id


def approved(visit: Visit, proposal: str) -> None:
    """Approve as the visit's person, and tell running calls and jobs. Raises as `approvals`."""
    store = visit.site.store
    done = approvals.approve(store, KINDS, proposal, visit.who.person, utc_now())
    if RECORDING in done.after:
        with reading(store.engine) as connection:
            enabled = account.account(connection).recording_enabled
        visit.site.carrier.switch_recording(enabled)
    dispatch(visit)


def declined(visit: Visit, proposal: str) -> None:
    """Decline as the visit's person. Raises as `approvals`."""
    approvals.decline(visit.site.store, KINDS, proposal, visit.who.person, utc_now())
    dispatch(visit)


def _found(visit: Visit, proposal: str) -> dict[str, object]:
    with reading(visit.site.store.engine) as connection:
        return _shown(visit, approvals.proposal(connection, proposal))


def _shown(visit: Visit, found: Proposal) -> dict[str, object]:
    return {
        "id": found.id,
        "kind": found.kind,
        "about": found.ref,
        "changes": [
            {"key": key, "before": before, "after": after}
            for key, before, after in found.differences()
        ],
        "reason": found.reason,
        "state": found.state.value,
        "proposed_by": found.proposed_by,
        "proposed_at": timestamp(found.proposed_at),
        "expires_at": timestamp(found.expires_at),
        "decided_by": found.decided_by,
        "decided_at": None if found.decided_at is None else timestamp(found.decided_at),
        "may_approve": found.state is approvals.ProposalState.OPEN
        and approvals.may_decide(found, KINDS, visit.who.person),
    }
