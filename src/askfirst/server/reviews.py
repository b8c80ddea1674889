"""Rules that somebody of the account has read, and the first call to a country.

A country is new for the account as long as nobody there was on the phone with it. Every function
works inside the caller's transaction and takes the time as an argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from askfirst.model import Role
from askfirst.server.contactcard import aware, place_code
from askfirst.server.contacts import users_exist
from askfirst.server.contacttables import reviews
from askfirst.server.database import calls, parties

_SIMULATOR = "simulator"


@dataclass(frozen=True, slots=True)
class Review:
    """That a user has read the rules of a place, when, and in which rulebook.

    `fingerprint` is that of the whole rulebook; None for a review from before it was kept.
    """

    code: str
    by: str
    at: datetime
    fingerprint: str | None


@dataclass(frozen=True, slots=True)
class FirstCall:
    """A call that would be the account's first to a country, and who has read its rules.

    `code` is the place that was asked for, `reviews` those that cover it, the newest first.
    """

    code: str
    country: str
    reviews: tuple[Review, ...]

    @property
    def is_reviewed(self) -> bool:
        """Whether anybody has read the rules of the place or of its country."""
        return bool(self.reviews)


def review(
    connection: sa.Connection, code: str, by: str, at: datetime, *, fingerprint: str | None = None
) -> None:
    """A user has read the rules of a place; said again, the newest time counts.

    Raises InvalidRequest for a code that is no place, NotFound for an unknown user.
    """
    aware(at)
    users_exist(connection, {by})
    place = place_code(code)
    key = (reviews.c.code == place) & (reviews.c.reviewed_by == by)
    connection.execute(reviews.delete().where(key))
    connection.execute(
        reviews.insert().values(code=place, reviewed_by=by, at=at, fingerprint=fingerprint)
    )


def reviews_of(connection: sa.Connection, code: str) -> tuple[Review, ...]:
    """Who has read the rules of a place, the newest first; raises InvalidRequest.

    A review of a country covers its states; a review of a state covers that state only.
    """
    place = place_code(code)
    rows = connection.execute(
        sa.select(reviews)
        .where(reviews.c.code.in_({place, _country(place)}))
        .order_by(reviews.c.at.desc(), reviews.c.reviewed_by)
    )
    return tuple(Review(row.code, row.reviewed_by, row.at, row.fingerprint) for row in rows)


def has_called(connection: sa.Connection, code: str, *, is_simulated: bool = False) -> bool:
    """Whether a contact in the country of a place was on the phone with the account before.

    Answered calls count, with every place that the contact plausibly was in; calls of the
    simulator only where the coming call `is_simulated` too. Raises InvalidRequest for a code that
    is no place.
    """
    country = _country(place_code(code))
    listed = sa.cast(parties.c.places, sa.Text)
    query = (
        sa.select(parties.c.call)
        .join(calls, calls.c.id == parties.c.call)
        .where(
            parties.c.role == Role.CONTACT.value,
            calls.c.answered_at.is_not(None),
            listed.contains(f'"{country}"') | listed.contains(f'"{country}-'),
        )
        .limit(1)
    )
    if not is_simulated:
        query = query.where(calls.c.provider != _SIMULATOR)
    return connection.execute(query).first() is not None


def first_call(
    connection: sa.Connection, code: str, *, is_simulated: bool = False
) -> FirstCall | None:
    """What is to be known before a first call to the country of a place; None for a later one.

    Raises InvalidRequest for a code that is no place: ask only where the place is known.
    """
    if has_called(connection, code, is_simulated=is_simulated):
        return None
    return FirstCall(code, _country(code), reviews_of(connection, code))


def _country(code: str) -> str:
    return code.partition("-")[0]
