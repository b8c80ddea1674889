"""How long a recording is kept: the account's periods, and what the rules of its places bound.

The period is settled when a recording begins and again whenever its gate opens, because only then
it is known who is on the call and where. Why it is so long is kept with it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

import sqlalchemy as sa

from askfirst.errors import InvalidRequest
from askfirst.model import Purpose
from askfirst.policy import Policy
from askfirst.retention import Limit, Period, Periods, limits, period
from askfirst.rules import Rulebook
from askfirst.server.account import Account, account
from askfirst.server.database import parties, recordings


def settle(
    connection: sa.Connection,
    recording: str,
    rules: Rulebook,
    policy: Policy,
    default: timedelta,
) -> None:
    """Write down until when a recording is kept, and why; from its beginning on.

    `default` counts where the account has no other period for it.
    """
    row = connection.execute(sa.select(recordings).where(recordings.c.id == recording)).one()
    places = connection.execute(sa.select(parties.c.places).where(parties.c.call == row.call))
    codes = sorted({code for each in places.scalars() for code in each})
    found = of(
        connection, codes, Purpose(row.purpose), row.created_at.date(), rules, policy, default
    )
    least = timedelta(days=found.least_days)
    connection.execute(
        recordings.update()
        .where(recordings.c.id == recording)
        .values(
            expires_at=row.created_at + timedelta(days=found.days),
            period_days=found.days,
            period_because=found.because.value,
            period_by=found.by or None,
            kept_until=row.created_at + least if found.least_days else None,
            kept_by=found.least_by or None,
        )
    )


def of(
    connection: sa.Connection,
    codes: Collection[str],
    purpose: Purpose,
    on: date,
    rules: Rulebook,
    policy: Policy,
    default: timedelta,
) -> Period:
    """How long a recording of a purpose and a day is kept whose parties are at places, and why.

    `default` counts as for `settle`.
    """
    bounds = limits(rules, codes, policy.purpose, policy.sectors, on)
    return period(wanted_by(account(connection), default), purpose, codes, bounds)


def wanted_by(wants: Account, default: timedelta) -> Periods:
    """The periods of an account; `default` where it has none for a recording."""
    purposes = wants.retention.get("purposes", {})
    return Periods(
        default=default.days,
        purposes={Purpose(word): days for word, days in purposes.items()},
        places=wants.retention.get("places", {}),
    )


def ensure_lawful(rules: Rulebook, wants: Account, on: date) -> None:
    """Raise InvalidRequest for a period that is longer than a rule allows, with the rule named.

    Asked are the rules of every place that has a period of its own, and of the account's home,
    where one side of nearly every call is. Elsewhere the rule wins over the setting on each call.
    """
    sectors = wants.policy().sectors
    main = Purpose(wants.purpose) if wants.purpose else None
    for code, days in wants.retention.get("places", {}).items():
        _ensure_within(limits(rules, [code], main, sectors, on), days, code)
    home = [wants.home_place] if wants.home_place else []
    for word, days in wants.retention.get("purposes", {}).items():
        _ensure_within(limits(rules, home, Purpose(word), sectors, on), days, word)
    is_default = main is None or main.value not in wants.retention.get("purposes", {})
    if wants.retention_days is not None and is_default:
        bounds = limits(rules, home, main, sectors, on) if main else ()
        _ensure_within(bounds, wants.retention_days, "", "retention_days")


def _ensure_within(bounds: tuple[Limit, ...], days: int, name: str, key: str = "retention") -> None:
    for each in bounds:
        if each.is_longest and days > each.days:
            what = f"{days} days for {name}" if name else f"{days} days"
            raise InvalidRequest(
                f"found {what}; the rule {each.rule} allows {each.days} at most. "
                "Choose a shorter period",
                key=key,
            )
