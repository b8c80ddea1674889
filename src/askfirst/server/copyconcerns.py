"""What stands against a recording's being in a copy for a person: codes, and never whom or why.

Asked when a copy is made and again at each download: what came up since then closes the copy.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum

import sqlalchemy as sa

from askfirst.model import RecordingState, Role
from askfirst.server import objections
from askfirst.server.account import account
from askfirst.server.database import erasures, parties, recordings
from askfirst.server.requesttables import restrictions
from askfirst.server.store import Store


class Concern(StrEnum):
    """Why a recording is not in a copy, or a copy is not given any more."""

    ERASED = "erased"
    QUARANTINED = "quarantined"
    UNFINISHED = "unfinished"
    RESTRICTED = "restricted"
    OBJECTED = "objected"


_OF_STATES: Mapping[str, Concern] = {
    RecordingState.ERASED.value: Concern.ERASED,
    RecordingState.QUARANTINED.value: Concern.QUARANTINED,
}


def standing(store: Store, connection: sa.Connection, recording: str) -> list[str]:
    """What stands against a recording now: words of `Concern`, with a request or a party behind.

    `restricted:req_…` names the request, `objected:1` the number in the call of whoever has said
    that they are never to be recorded. A recording that is not there counts as erased.
    """
    row = connection.execute(
        sa.select(recordings.c.state, recordings.c.call).where(recordings.c.id == recording)
    ).one_or_none()
    if row is None:
        return [Concern.ERASED.value]
    ordered = sa.select(erasures.c.recording).where(erasures.c.recording == recording)
    found: list[str] = []
    if row.state != RecordingState.READY.value:
        found.append(_OF_STATES.get(row.state, Concern.UNFINISHED).value)
    elif connection.execute(ordered).first() is not None:
        found.append(Concern.ERASED.value)
    placed = sa.select(restrictions.c.request).where(
        restrictions.c.recording == recording, restrictions.c.lifted_at.is_(None)
    )
    found += [f"{Concern.RESTRICTED}:{each}" for each in connection.execute(placed).scalars()]
    region = account(connection).region
    people = connection.execute(
        sa.select(parties.c.number_in_call, parties.c.number).where(
            parties.c.call == row.call,
            parties.c.role == Role.CONTACT.value,
            parties.c.number.is_not(None),
        )
    )
    for number_in_call, number in people:
        if objections.objected(store.erasures, connection, number, region):
            found.append(f"{Concern.OBJECTED}:{number_in_call}")
    return sorted(found)


def keeping_out(found: Sequence[str], own: Collection[str]) -> Concern | None:
    """What keeps a recording out of a copy; None where nothing does.

    `own` are concerns of the person whom the copy is for: their own restriction and their own
    objection take nothing from their right to a copy (GDPR art. 15, 18(2)), those of somebody else
    on the call do (art. 15(4)).
    """
    others = [each for each in found if each not in own]
    return kind(others[0]) if others else None


def new_since(before: Sequence[str], now: Sequence[str]) -> Concern | None:
    """What has come up since a copy was made, whoever it is of; None where nothing has."""
    new = [each for each in now if each not in before]
    return kind(new[0]) if new else None


def kind(concern: str) -> Concern:
    """The word of a concern, without whom it is of."""
    return Concern(concern.partition(":")[0])
