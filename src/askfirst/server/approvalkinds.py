"""Everything that may wait for a second person: what permission it needs, and what it does."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from askfirst.server import holdrelease, overridechanges, overrideregister, queuedecision
from askfirst.server.access import Permission, Person
from askfirst.server.approvals import Effect, Kinds, Proposal, ProposalKind
from askfirst.server.guardedsettings import settings_effect, settings_permission
from askfirst.server.legalholds import release
from askfirst.server.store import Store

SETTINGS = "settings"


def _hold_permission(_proposal: Proposal) -> Permission:
    return Permission.RECORDINGS_HOLD


def _hold_effect(store: Store, found: Proposal, person: Person, at: datetime) -> Effect:
    """The release is a transaction of its own; where it fails, the approval stands and is told."""

    def write(_connection: sa.Connection) -> None:
        return None

    def then() -> None:
        release(store, str(found.ref), person.id, found.reason, at)

    return Effect(write, then)


_QUEUE = ProposalKind(
    queuedecision.permission_of, queuedecision.proposed_effect, queuedecision.proposal_dropped
)

KINDS: Kinds = {
    queuedecision.QUEUE_ERASE: _QUEUE,
    queuedecision.QUEUE_KEEP: _QUEUE,
    SETTINGS: ProposalKind(settings_permission, settings_effect),
    holdrelease.KIND: ProposalKind(_hold_permission, _hold_effect),
    overrideregister.KIND: ProposalKind(
        overridechanges.permission, overridechanges.approval, overridechanges.dropped
    ),
}
"""A kind for every word of the setting `second_person`."""
