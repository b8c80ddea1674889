"""Releasing a legal hold, alone or with a second person, as the account wants it."""

from __future__ import annotations

from datetime import datetime

from askfirst.server import approvals, legalholds
from askfirst.server.database import transaction
from askfirst.server.store import Store

KIND = "hold-release"


def release(store: Store, recording: str, person: str, reason: str, at: datetime) -> str | None:
    """Release a hold, or propose it and give the proposal; the hold then stands until approved.

    Raises as `legalholds.release`.
    """
    with transaction(store.engine) as connection:
        if approvals.is_wanted(connection, KIND):
            legalholds.ensure_reason(reason)
            return approvals.propose(
                store,
                connection,
                KIND,
                person,
                {"legal_hold": True},
                {"legal_hold": False},
                at,
                ref=recording,
                reason=reason,
            )
    legalholds.release(store, recording, person, reason, at)
    return None
