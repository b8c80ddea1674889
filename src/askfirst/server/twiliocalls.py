"""Which of our calls a call at Twilio belongs to: each telephone is a call of its own there."""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server import recordingselsewhere, twilioaccount, twiliocheck
from askfirst.server.database import reading, transaction
from askfirst.server.store import Store
from askfirst.server.twiliotables import twilio_calls
from askfirst.telephony.twilioclient import TwilioClient


def note(store: Store, sid: str, call: str) -> None:
    """Write down that a call at Twilio (CallSid) is a telephone of a call of ours."""
    with transaction(store.engine) as connection:
        known = sa.select(twilio_calls.c.sid).where(twilio_calls.c.sid == sid)
        if connection.execute(known).first() is None:
            connection.execute(twilio_calls.insert().values(sid=sid, call=call))


def call_of(store: Store, sid: str) -> str | None:
    """Our call of a call at Twilio, None for somebody else's."""
    with reading(store.engine) as connection:
        query = sa.select(twilio_calls.c.call).where(twilio_calls.c.sid == sid)
        return connection.execute(query).scalar_one_or_none()


def watch(store: Store, base_url: str | None = None) -> recordingselsewhere.Watch:
    """How it is checked whether Twilio keeps recordings, with the credentials that are in force."""

    def client() -> TwilioClient | None:
        with reading(store.engine) as connection:
            known = twilioaccount.in_force(connection, store.keys)
        return None if known is None else twiliocheck.client(known, base_url)

    return recordingselsewhere.Watch(client, lambda sid: call_of(store, sid))
