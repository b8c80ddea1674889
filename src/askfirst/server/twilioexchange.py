"""Credentials at Twilio that were exchanged in mid-call: how long, and for what, they still count.

Twilio signs what it tells of a call with the account's secrets. Calls that began under those from
before may end properly: the newest row that went out of force keeps its secrets for as long as
such calls go on, and for `LASTS` at most. A call is known by what was told of it while they were in
force, which was signed with them. New calls and streams are never let in by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from askfirst.server.twilioorder import OVER
from askfirst.server.twiliotables import twilio_accounts, twilio_events

LASTS = timedelta(hours=4)
"""How long credentials from before count at most: as long as the longest call (`TwilioLine`)."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """Credentials that were in force from some time to another, by their id."""

    id: str
    made_at: datetime
    ended_at: datetime


def end(connection: sa.Connection, which: str, at: datetime) -> None:
    """Credentials go out of force: of all that did, they alone may keep their secrets."""
    table = twilio_accounts
    connection.execute(table.update().where(table.c.id != which).values(ended_at=None))
    connection.execute(table.update().where(table.c.id == which).values(ended_at=at))


def kept(connection: sa.Connection, now: datetime) -> Exchanged | None:
    """Whose secrets still count beside those in force; None where no call of theirs goes on."""
    table = twilio_accounts
    row = connection.execute(
        sa.select(table.c.id, table.c.made_at, table.c.ended_at)
        .where(table.c.ended_at.is_not(None), table.c.sealed.is_not(None))
        .order_by(table.c.ended_at.desc())
        .limit(1)
    ).one_or_none()
    # With a clock that was set back nobody knows how long it has been.
    if row is None or not row.ended_at <= now < row.ended_at + LASTS:
        return None
    found = Exchanged(row.id, row.made_at, row.ended_at)
    calls = connection.execute(_calls(found).limit(1)).first()
    return None if calls is None else found


def goes_on(connection: sa.Connection, exchanged: Exchanged, call_sid: str) -> bool:
    """Whether a call began under these credentials, and nobody has told of its end."""
    query = _calls(exchanged).where(twilio_events.c.call_sid == call_sid)
    return connection.execute(query).first() is not None


def _calls(exchanged: Exchanged) -> sa.Select[tuple[str]]:
    """The calls that began under credentials, and go on as far as is known."""
    table, ends = twilio_events, twilio_events.alias()
    began = sa.func.min(table.c.at)
    is_over = sa.exists().where(ends.c.call_sid == table.c.call_sid, ends.c.status.in_(OVER))
    return (
        sa.select(table.c.call_sid)
        .where(table.c.at > exchanged.ended_at - LASTS, ~is_over)
        .group_by(table.c.call_sid)
        .having(sa.and_(began >= exchanged.made_at, began < exchanged.ended_at))
    )
