"""Tables of the people who are called: their numbers, places, follow-ups, and rules reviewed.

No queries live here; the tables stand in the same database as calls, ledger and account.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from askfirst.server.accounttables import users
from askfirst.server.database import UtcDateTime, calls, metadata, parties


def _user(name: str, **kwargs: Any) -> sa.Column[str]:
    return sa.Column(name, sa.String(48), sa.ForeignKey(users.c.id), **kwargs)


def _contact(**kwargs: Any) -> sa.Column[str]:
    return sa.Column("contact", sa.String(48), sa.ForeignKey("contacts.id"), **kwargs)


contacts = sa.Table(
    "contacts",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("company", sa.String(200), nullable=False),
    sa.Column("email", sa.String(254), nullable=False),
    _user("owner"),
    sa.Column("notes", sa.Text, nullable=False),
    sa.Column("language", sa.String(8)),
    sa.Column("never_record", sa.Boolean, nullable=False),
    sa.Column("never_record_at", UtcDateTime),
    _user("never_record_by"),
    sa.Column("never_record_why", sa.String(200)),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Column("archived_at", UtcDateTime),
    # Derived from the columns above and the tables below, for lists and search.
    sa.Column("sort_key", sa.String(200), nullable=False),
    sa.Column("searched", sa.Text, nullable=False),
    sa.Column("seat", sa.Text, nullable=False),
    sa.Index("ix_contacts_sort", "sort_key", "id"),
    sa.Index("ix_contacts_owner", "owner", "sort_key", "id"),
    sa.Index("ix_contacts_seat", "seat", "never_record", "archived_at", "id"),
)

contact_numbers = sa.Table(
    "contact_numbers",
    metadata,
    # The key: nobody else has the number, archived or not, so no objection is lost by adding.
    sa.Column("number", sa.String(16), primary_key=True),
    _contact(nullable=False, index=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("label", sa.String(40), nullable=False),
    sa.Column("is_primary", sa.Boolean, nullable=False),
)

contact_places = sa.Table(
    "contact_places",
    metadata,
    _contact(primary_key=True),
    sa.Column("code", sa.String(8), primary_key=True),
    sa.Column("source", sa.String(16), primary_key=True),
    sa.Column("since", UtcDateTime, nullable=False),
    _user("by"),
)

follow_ups = sa.Table(
    "follow_ups",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    _contact(nullable=False, index=True),
    sa.Column("call", sa.String(48), sa.ForeignKey(calls.c.id)),
    sa.Column("due", sa.Date, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("done_at", UtcDateTime),
    _user("owner"),
    sa.Index("ix_follow_ups_due", "done_at", "due", "id"),
)

reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("code", sa.String(8), primary_key=True),
    _user("reviewed_by", primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    # Of the whole rulebook; NULL for reviews from before it was kept.
    sa.Column("fingerprint", sa.String(80)),
)

# What a contact has agreed to is found by number, over every call that there ever was.
parties_by_number = sa.Index("ix_parties_number", parties.c.number)
