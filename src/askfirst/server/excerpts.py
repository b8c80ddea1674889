"""The few seconds that an item of the queue needs, for whoever decides it.

This is the only way to hear anything of a quarantined recording. The contact's side is in it only
where the item is about the contact's words and recording them was allowed when they were said.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from askfirst.errors import Refused
from askfirst.model import RecordingState
from askfirst.server import erasure, redactions
from askfirst.server.access import Permission, Person
from askfirst.server.database import reading
from askfirst.server.playback import Playback
from askfirst.server.purposes import ListeningPurpose
from askfirst.server.queue import Item, ItemState, Reason, item
from askfirst.server.store import Store

_STATES = (RecordingState.READY.value, RecordingState.QUARANTINED.value)
_BOTH_SIDES = frozenset({Reason.OBJECTION_HEARD, Reason.OBJECTION_POSSIBLE, Reason.PLACE_NAMED})


@dataclass(frozen=True, slots=True)
class Window:
    """What may be heard for an item, in call time; `is_own` where it is our side alone."""

    from_ms: int
    to_ms: int
    is_own: bool


def window(found: Item) -> Window | None:
    """What may be heard for an item; None where nothing may, or nothing is needed."""
    if found.recording is None or found.from_ms is None or found.to_ms is None:
        return None
    if found.state is ItemState.DECIDED:
        return None
    if found.recording_state not in _STATES:
        return None
    return Window(found.from_ms, found.to_ms, found.reason not in _BOTH_SIDES)


def excerpt(
    store: Store,
    person: Person,
    identity: str,
    at: datetime,
    wanted: tuple[int, int] | None = None,
) -> bytes:
    """The seconds of an item as Ogg/Opus; the access and its range are in the ledger first.

    `wanted` is a shorter range in call time. Raises NotFound; Refused for who does not decide the
    queue, for an item that is decided or needs no sound, for any second outside of its range, and
    for a recording that is to be erased or cannot be read.
    """
    person.ensure(Permission.QUEUE_DECIDE)
    with reading(store.engine) as connection:
        found = item(connection, identity)
        allowed = window(found)
        if allowed is None or found.recording is None:
            raise Refused(f"nothing is to be heard for item {identity}")
        if erasure.is_intended(connection, found.recording) or erasure.is_waiting(
            connection, found.recording
        ):
            raise Refused(f"recording {found.recording} is to be erased; nobody hears it")
        is_original = redactions.result(connection, found.recording) is None
    if is_original:  # in quarantine nobody looks through the words of the other side
        person.ensure(Permission.ORIGINALS_OPEN)
    from_ms, to_ms = wanted or (allowed.from_ms, allowed.to_ms)
    if not allowed.from_ms <= from_ms < to_ms <= allowed.to_ms:
        raise Refused(
            f"found {from_ms} to {to_ms} ms; only {allowed.from_ms} to {allowed.to_ms} ms may be "
            "heard for this item"
        )
    return Playback(store).excerpt(
        found.recording,
        from_ms,
        to_ms,
        person=person.id,
        purpose=ListeningPurpose.CONSENT_CHECK.value,
        about={"item": found.id},
        states=_STATES,
        is_own=allowed.is_own,
        at=at,
        is_original=is_original,
    )
