"""Who is mentioned in a comment: ``@`` and somebody's whole name or mail address.

Only people who may listen to the call can be mentioned, so that nobody is led to what they may not
open. They find it on their own page until they have opened the call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from askfirst.errors import InvalidRequest
from askfirst.server import accounts
from askfirst.server.access import Permission, Person
from askfirst.server.accounts import User
from askfirst.server.accounttables import users
from askfirst.server.callreader import within
from askfirst.server.coachingtables import comments, mentions
from askfirst.server.database import calls, recordings
from askfirst.server.restrictions import OPEN

MOST = 50
"""Mentions that are listed, the newest."""


@dataclass(frozen=True, slots=True)
class Mention:
    """That somebody was mentioned: in which comment, by whom, where in which call, and when."""

    comment: str
    call: str
    person: str
    from_ms: int
    at: datetime


def listeners(connection: sa.Connection, call: str) -> list[User]:
    """Everybody who may listen to a call."""
    owner = connection.execute(
        sa.select(calls.c.agent, users.c.team)
        .select_from(calls.outerjoin(users, users.c.id == calls.c.agent))
        .where(calls.c.id == call)
    ).one()
    return [
        each
        for each in accounts.all_users(connection)
        if not each.is_disabled
        and each.person.reaches(Permission.RECORDINGS_LISTEN, owner.agent, owner.team)
    ]


def mentioned(connection: sa.Connection, call: str, text: str) -> frozenset[str]:
    """The ids of those whom a text mentions; of people with one name, all who may listen.

    Raises InvalidRequest where it mentions somebody who may not listen to the call.
    """
    if "@" not in text:
        return frozenset()
    everybody = [each for each in accounts.all_users(connection) if not each.is_disabled]
    allowed = {each.id for each in listeners(connection, call)}
    folded = text.casefold()
    found = set[str]()
    for position in (at for at, each in enumerate(folded) if each == "@"):
        named = _named(everybody, folded[position + 1 :])
        if named and not allowed.intersection(named):
            raise InvalidRequest(
                "found a mention of somebody who may not listen to this call; mention only people "
                "who may",
                key="text",
            )
        found |= allowed.intersection(named)
    return frozenset(found)


def keep(connection: sa.Connection, comment: str, wanted: frozenset[str], by: str) -> None:
    """Let exactly these be mentioned in a comment; who was before and has seen it stays so."""
    known = set(
        connection.execute(
            sa.select(mentions.c.user).where(mentions.c.comment == comment)
        ).scalars()
    )
    gone = known - wanted
    connection.execute(
        mentions.delete().where(mentions.c.comment == comment, mentions.c.user.in_(gone))
    )
    for user in sorted(wanted - known - {by}):
        connection.execute(mentions.insert().values(comment=comment, user=user))


def waiting(connection: sa.Connection, person: Person, most: int = MOST) -> list[Mention]:
    """Where somebody is mentioned and has not looked yet, the newest first.

    What they may not open any more, or nobody may now, is not in it.
    """
    query = (
        sa.select(comments)
        .select_from(
            mentions.join(comments, comments.c.id == mentions.c.comment)
            .join(recordings, recordings.c.id == comments.c.recording)
            .join(calls, calls.c.id == comments.c.call)
            .outerjoin(users, users.c.id == calls.c.agent)
        )
        .where(
            mentions.c.user == person.id,
            mentions.c.seen_at.is_(None),
            comments.c.text.is_not(None),
            OPEN,
            within(person, Permission.RECORDINGS_LISTEN),
        )
        .order_by(comments.c.id.desc())
        .limit(most)
    )
    return [
        Mention(row.id, row.call, row.person, row.from_ms, row.at)
        for row in connection.execute(query)
    ]


def seen(connection: sa.Connection, user: str, call: str, at: datetime) -> None:
    """Somebody has opened a call and read what mentions them there."""
    of_call = sa.select(comments.c.id).where(comments.c.call == call)
    connection.execute(
        mentions.update()
        .where(
            mentions.c.user == user,
            mentions.c.seen_at.is_(None),
            mentions.c.comment.in_(of_call),
        )
        .values(seen_at=at)
    )


def _named(people: Sequence[User], rest: str) -> set[str]:
    """Whose name or address the rest of a text begins with; the longest one counts."""
    fits = [
        (len(word), each.id)
        for each in people
        for word in (each.name.casefold(), each.email.casefold())
        if word and rest.startswith(word) and not rest[len(word) : len(word) + 1].isalnum()
    ]
    longest = max((length for length, _ in fits), default=0)
    return {identity for length, identity in fits if length == longest}
