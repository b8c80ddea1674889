"""Tables of Twilio: accounts with their sealed secrets, our calls there, what is told of them.

No number is in an event: only ids, states and codes, and those until it was handed on.
"""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.database import UtcDateTime, metadata

twilio_accounts = sa.Table(
    "twilio_accounts",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    sa.Column("account_sid", sa.String(34), nullable=False),
    sa.Column("api_key", sa.String(34)),  # its name; what proves it is sealed
    sa.Column("signing_key", sa.String(80)),  # the name of a key that signs webhooks, likewise
    sa.Column("region", sa.String(8)),
    sa.Column("sender", sa.String(20)),  # the number of the account that calls show
    sa.Column("sealed", sa.LargeBinary),  # the secrets; None: wiped when it was replaced
    sa.Column("ended_at", UtcDateTime),  # when it went out of force, of the newest that did
    sa.Column("checks", sa.JSON(none_as_null=True)),  # what the newest check found, in codes
    sa.Column("checked_at", UtcDateTime),
    sa.Column("made_by", sa.String(48)),
    sa.Column("made_at", UtcDateTime, nullable=False),
)

twilio_events = sa.Table(
    "twilio_events",
    metadata,
    sa.Column("key", sa.String(120), primary_key=True),  # what it is the only event of
    sa.Column("mark", sa.String(64), nullable=False, unique=True),  # of its signature
    sa.Column("call_sid", sa.String(34), nullable=False),
    sa.Column("sequence", sa.Integer),
    sa.Column("status", sa.String(24)),
    sa.Column("fields", sa.JSON(none_as_null=True)),  # until it was handed on
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("fate", sa.String(8)),  # handed, void or failed; None: it waits
    sa.Index("ix_twilio_events_call_sid", "call_sid", "sequence"),
    sa.Index("ix_twilio_events_at", "at"),
)

twilio_calls = sa.Table(
    "twilio_calls",
    metadata,
    sa.Column("sid", sa.String(34), primary_key=True),
    sa.Column("call", sa.String(48), sa.ForeignKey("calls.id"), nullable=False, index=True),
)
"""Calls at Twilio, each a telephone, of calls of ours."""
