"""The account's own numbers: what each is called, and at whom its calls ring.

A number rings at a team, at chosen people, or at both; one that names nobody rings at everybody,
and so does one that is not kept here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from askfirst.errors import InvalidRequest, NotFound
from askfirst.server import account, audit
from askfirst.server.access import Person
from askfirst.server.accounttables import users
from askfirst.server.contactcard import standard
from askfirst.server.numbertables import number_people, own_numbers

LONGEST_NAME = 60
MOST = 500
"""Numbers that are kept, at most."""


@dataclass(frozen=True, slots=True)
class OwnNumber:
    """A number of the account in E.164. `people` are ids; a team and people add up.

    `takes_messages` is whether whoever calls it may leave a message where nobody answers.
    """

    number: str
    name: str
    team: str | None = None
    people: frozenset[str] = frozenset()
    takes_messages: bool = False

    @property
    def is_for_all(self) -> bool:
        """Whether its calls ring at everybody."""
        return self.team is None and not self.people


@dataclass(frozen=True, slots=True)
class RingGroup:
    """At whom a call rings: ids of people, None for everybody; `name` of the number, or "".

    `takes_messages` as for the number.
    """

    name: str = ""
    people: frozenset[str] | None = None
    takes_messages: bool = False

    def has(self, user: str) -> bool:
        """Whether it rings at a user."""
        return self.people is None or user in self.people


NOBODY = RingGroup(people=frozenset())


def all_of(connection: sa.Connection) -> list[OwnNumber]:
    """Every number that is kept, by name."""
    chosen: dict[str, set[str]] = {}
    for row in connection.execute(sa.select(number_people)):
        chosen.setdefault(row.number, set()).add(row.user)
    rows = connection.execute(sa.select(own_numbers).order_by(own_numbers.c.name))
    return [
        OwnNumber(
            row.number,
            row.name,
            row.team,
            frozenset(chosen.get(row.number, ())),
            row.takes_messages,
        )
        for row in rows
    ]


def keep(
    connection: sa.Connection, wanted: OwnNumber, actor: str | None, now: datetime
) -> OwnNumber:
    """Keep a number as somebody wrote it, in place of what was kept of it; gives it as it is kept.

    Raises InvalidRequest, whose `key` is what cannot be used.
    """
    made = _checked(connection, wanted)
    connection.execute(own_numbers.delete().where(own_numbers.c.number == made.number))
    connection.execute(
        own_numbers.insert().values(
            number=made.number,
            name=made.name,
            team=made.team,
            takes_messages=made.takes_messages,
        )
    )
    rows = [{"number": made.number, "user": each} for each in sorted(made.people)]
    if rows:
        connection.execute(number_people.insert(), rows)
    audit.note(connection, now, actor, "number.kept", None, {"people": sorted(made.people)})
    return made


def remove(connection: sa.Connection, number: str, actor: str, now: datetime) -> None:
    """Forget a number: its calls ring at everybody. Raises NotFound."""
    gone = connection.execute(own_numbers.delete().where(own_numbers.c.number == number))
    if not gone.rowcount:
        raise NotFound("this number is not kept")
    audit.note(connection, now, actor, "number.removed")


def ring_group(connection: sa.Connection, number: str | None) -> RingGroup:
    """At whom calls to a number (E.164, None where untold) ring."""
    found = next((each for each in all_of(connection) if each.number == number), None)
    if found is None:
        return RingGroup()
    people = None if found.is_for_all else found.people
    if found.team is not None:
        of_team = connection.execute(sa.select(users.c.id).where(users.c.team == found.team))
        people = found.people | set(of_team.scalars())
    return RingGroup(found.name, people, found.takes_messages)


def not_for(person: Person) -> sa.Select[tuple[str]]:
    """Numbers whose calls ring at others only, as a query."""
    chosen = sa.select(number_people.c.number)
    own: sa.ColumnElement[bool] = own_numbers.c.number.in_(
        chosen.where(number_people.c.user == person.id)
    )
    if person.team is not None:
        own = sa.or_(own, sa.func.coalesce(own_numbers.c.team, "") == person.team)
    is_for_some = sa.or_(own_numbers.c.team.is_not(None), own_numbers.c.number.in_(chosen))
    return sa.select(own_numbers.c.number).where(is_for_some, sa.not_(own))


def shown_by(connection: sa.Connection, person: Person) -> list[OwnNumber]:
    """The numbers that a person may show to whom they call, by name: those that ring at them."""
    others = {row.number for row in connection.execute(not_for(person))}
    return [each for each in all_of(connection) if each.number not in others]


def _checked(connection: sa.Connection, wanted: OwnNumber) -> OwnNumber:
    standardised = standard(wanted.number, account.account(connection).region)
    if standardised is None:
        raise InvalidRequest(
            f"found {wanted.number[:40]!r}; expected a telephone number such as +4721000000",
            key="number",
        )
    name = " ".join(wanted.name.split())
    if not name or len(name) > LONGEST_NAME:
        raise InvalidRequest(
            f"found a name of {len(name)} characters; expected 1 to {LONGEST_NAME}", key="name"
        )
    known = set(connection.execute(sa.select(users.c.id)).scalars())
    if unknown := sorted(wanted.people - known):
        raise InvalidRequest(
            f"found the person {unknown[0][:60]!r}; expected the id of a user", key="people"
        )
    kept = sa.select(sa.func.count()).where(own_numbers.c.number != standardised)
    if connection.execute(kept).scalar_one() >= MOST:
        raise InvalidRequest(f"{MOST} numbers are kept already; remove one first", key="number")
    team = (wanted.team or "").strip() or None
    return replace(wanted, number=standardised, name=name, team=team)
