"""Why somebody opens a recording, and which of these reasons its parties have agreed to.

People are told a purpose before they are recorded. A recording is opened for that one and for no
other, whoever asks; beside it stand three that the law gives by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from askfirst.errors import Refused
from askfirst.server.access import Permission, Person
from askfirst.server.database import calls, recordings
from askfirst.server.restrictions import STAY_OPEN, ensure_open, is_restricted


class ListeningPurpose(StrEnum):
    """Why somebody opens a recording; it stands with the access.

    The first six are the purposes that people are told (`askfirst.model.Purpose`).
    """

    QUALITY = "quality"
    TRAINING = "training"
    COACHING = "coaching"
    BUSINESS_PROOF = "business_proof"
    ORDER_RESERVATION = "order_reservation"
    TRANSCRIPTION = "transcription"
    DISPUTE = "dispute"
    CONSENT_CHECK = "consent-check"
    SUBJECT_REQUEST = "subject-request"


_OFFICERS = (ListeningPurpose.CONSENT_CHECK, ListeningPurpose.SUBJECT_REQUEST)
"""Of whoever answers for consent and for people's rights (GDPR art. 5(2), 15)."""

_ALWAYS = (ListeningPurpose.DISPUTE, *_OFFICERS)
"""Legal claims (GDPR art. 17(3)(e), 18(2), 21(1)) need no purpose that was told."""


def allowed(
    connection: sa.Connection, person: Person, recording: str
) -> Sequence[ListeningPurpose]:
    """For what a person may open a recording, the purpose that was told first.

    A restricted recording is opened for legal claims and the person's own request alone.
    Where none was told the call was decided by the rules of every purpose, and each may be stated.
    Empty for a recording that is not there.
    """
    found = connection.execute(
        sa.select(calls.c.policy).join(recordings).where(recordings.c.id == recording)
    ).scalar()
    if found is None:
        return ()
    told = [] if is_restricted(connection, recording) else _told(found)
    is_officer = person.may(Permission.ERASURE_MANAGE)
    beside = [each for each in _ALWAYS if is_officer or each not in _OFFICERS]
    if not told:
        return [each for each in beside if each.value in STAY_OPEN]
    return [*told, *beside]


def ensure_allowed(
    connection: sa.Connection, person: Person, recording: str, purpose: ListeningPurpose
) -> None:
    """Raise Refused for a purpose that the parties of a recording have not agreed to."""
    ensure_open(connection, recording, purpose.value)
    found = allowed(connection, person, recording)
    if purpose not in found:
        others = ", ".join(found)
        raise Refused(
            f"this recording is not opened for {purpose.value}: its parties were told another "
            f"purpose. State one of these: {others}"
        )


def _told(policy: dict[str, Any]) -> list[ListeningPurpose]:
    purpose = policy.get("purpose")
    if purpose is None:
        return [each for each in ListeningPurpose if each not in _ALWAYS]
    return [ListeningPurpose(purpose)]
