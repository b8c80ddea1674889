"""Opens a recording as it was said, numbers and all: for few, with a reason, entered each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from askfirst.ledger import Kind
from askfirst.model import Utterance
from askfirst.server import keptwords, transcripts
from askfirst.server.access import Permission, Person
from askfirst.server.database import transaction
from askfirst.server.listening import Link, Listening
from askfirst.server.purposes import ListeningPurpose

LASTS = timedelta(minutes=10)
"""How long the sound can be opened for one reason."""


@dataclass(frozen=True, slots=True)
class Original:
    """The words as they were said, and what opens the sound."""

    link: Link
    said: Sequence[Utterance]


def open_original(
    listening: Listening,
    person: Person,
    session: str,
    recording: str,
    purpose: ListeningPurpose,
    reason: str,
    now: datetime,
) -> Original:
    """The original of a recording for a person's session; the access is in the ledger first.

    The reason is kept encrypted with the recording. Raises Refused without the permission and for
    a purpose or state that it is not opened for, InvalidRequest for a reason that says too little.
    """
    person.ensure(Permission.ORIGINALS_OPEN)
    reason = keptwords.tidied(reason, "reason")
    link = listening.link(person, session, recording, purpose, LASTS, now, reason, is_original=True)
    store = listening.store
    call = listening.reach(person, Permission.RECORDINGS_LISTEN, recording, now)
    with transaction(store.engine) as connection:
        store.ledger.append(
            connection,
            Kind.ACCESS_ORIGINAL,
            now,
            call=call,
            recording=recording,
            data={"person": person.id, "purpose": purpose.value, "link": link.id},
        )
    found = transcripts.newest_original(store, recording)
    return Original(link, () if found is None else found.said)
