"""Legal holds: placing, releasing, and why.

The ledger says who did it and when. The reason is free text and may name people, so it stays out
of the ledger: it is kept encrypted with the recording, and goes with it.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from askfirst.errors import AskfirstError, InvalidInput, NotFound, Refused
from askfirst.ledger import Kind, timestamp
from askfirst.model import RecordingState
from askfirst.server import erasure
from askfirst.server.database import assets, reading, recordings, transaction
from askfirst.server.playback import Playback
from askfirst.server.sealing import write_asset
from askfirst.server.store import Store

SHORTEST_REASON, LONGEST_REASON = 3, 500
_KIND = "hold-"


@dataclass(frozen=True, slots=True)
class HoldReason:
    """Why a hold was placed or released, by whom, and when (UTC)."""

    is_held: bool
    reason: str
    person: str
    at: datetime


def place(
    store: Store,
    recording: str,
    person: str,
    reason: str,
    at: datetime,
    until: datetime | None = None,
) -> None:
    """Keep a recording whatever its time, and whatever erasure is asked for.

    `until` is when somebody is to look at it again: nothing is released then. Of a recording that
    is held already it is moved, with the new reason. Raises InvalidInput for a time that is past,
    NotFound, InvalidInput for a reason that is too short or too long, Refused for a recording that
    is erased.
    """
    if until is not None and until <= at:
        raise InvalidInput(f"found {timestamp(until)} as the end of a hold; expected a later time")
    _change(store, recording, person, reason, at, is_held=True, until=until)


def release(store: Store, recording: str, person: str, reason: str, at: datetime) -> None:
    """Let a recording go its way again; an erasure that was asked for meanwhile is carried out.

    Raises as `place`. An erasure that fails now is logged and stays ordered.
    """
    call = _change(store, recording, person, reason, at, is_held=False)
    if call is not None:
        erasure.carry_out(store, at, call)


def newest_reason(store: Store, recording: str) -> HoldReason | None:
    """The reason of the newest hold or release; None where there is none or it does not open."""
    query = (
        sa.select(assets.c.kind)
        .where(assets.c.recording == recording, assets.c.kind.startswith(_KIND, autoescape=True))
        .order_by(assets.c.created_at.desc(), assets.c.id.desc())
    )
    with reading(store.engine) as connection:
        kind = connection.execute(query.limit(1)).scalar()
    try:
        kept = Playback(store).asset(recording, kind) if kind is not None else None
    except AskfirstError:  # that there is a hold is known without it
        return None
    if kept is None:
        return None
    found = json.loads(kept)
    return HoldReason(
        found["held"], found["reason"], found["person"], datetime.fromisoformat(found["at"])
    )


def ensure_reason(reason: str) -> str:
    """A reason with its spaces in order; InvalidInput where it is too short or too long."""
    reason = " ".join(reason.split())
    if not SHORTEST_REASON <= len(reason) <= LONGEST_REASON:
        raise InvalidInput(
            f"found a reason of {len(reason)} characters; expected {SHORTEST_REASON} to "
            f"{LONGEST_REASON}: say why, so that others can tell when it ends"
        )
    return reason


def _change(
    store: Store,
    recording: str,
    person: str,
    reason: str,
    at: datetime,
    *,
    is_held: bool,
    until: datetime | None = None,
) -> str | None:
    """The call of a recording whose hold was changed; None where it was so already."""
    reason = ensure_reason(reason)
    with reading(store.engine) as connection:
        row = connection.execute(
            sa.select(recordings.c.state, recordings.c.legal_hold, recordings.c.hold_until).where(
                recordings.c.id == recording
            )
        ).one_or_none()
    if row is None:
        raise NotFound(f"no recording {recording}")
    if row.state == RecordingState.ERASED.value:
        raise Refused(f"recording {recording} is erased; there is nothing left to hold")
    if bool(row.legal_hold) is is_held and (until is None or until == row.hold_until):
        return None
    said = {"held": is_held, "reason": reason, "person": person, "at": timestamp(at)}
    # First the reason: a hold nobody knows the reason of is one that nobody dares to release.
    kind = f"{_KIND}{secrets.token_hex(6)}"
    write_asset(store, recording, kind, json.dumps(said, ensure_ascii=False).encode(), at)
    with transaction(store.engine) as connection:
        changed = connection.execute(
            recordings.update()
            .where(
                recordings.c.id == recording,
                recordings.c.state != RecordingState.ERASED.value,
                recordings.c.legal_hold.is_(row.legal_hold),
            )
            .values(
                legal_hold=is_held,
                hold_until=until,
                held_at=at if is_held else None,
                held_by=person if is_held else None,
            )
            .returning(recordings.c.call)
        ).one_or_none()
        if changed is None:
            raise Refused(f"recording {recording} was changed by somebody else; look at it again")
        store.ledger.append(
            connection,
            Kind.LEGAL_HOLD_PLACED if is_held else Kind.LEGAL_HOLD_RELEASED,
            at,
            call=changed.call,
            recording=recording,
            data={"person": person},
        )
        if not is_held:
            erasure.take_up_in(store, connection, at)
    return str(changed.call)
