"""What may not be brought over at all, whatever is heard in it: asked before its sound is fetched.

Whoever is never to be recorded, and whoever was forgotten after the call, has said so to us; their
sound does not come here by another way. Nor does what would have been erased here by now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa

from askfirst.auditing import Law
from askfirst.model import Decision, Purpose
from askfirst.server import objections, periods
from askfirst.server.account import account
from askfirst.server.auditrun import Existing
from askfirst.server.contactcard import standard
from askfirst.server.erasurelist import Listed
from askfirst.server.store import Store


class Bar(StrEnum):
    """Why a recording is refused."""

    NEVER = "never-record"
    FORGOTTEN = "forgotten"
    TOO_OLD = "too-old"


SAID: Mapping[Bar, str] = {
    Bar.NEVER: "somebody on the call is never to be recorded; its sound stays out",
    Bar.FORGOTTEN: "somebody on the call asked to be forgotten after it; its sound stays out",
    Bar.TOO_OLD: "it is older than such recordings are kept here; its sound stays out",
}


def bar(
    store: Store,
    connection: sa.Connection,
    law: Law,
    existing: Existing,
    called_at: datetime,
    now: datetime,
) -> Bar | None:
    """Why a recording of a call at a time (aware) is refused; None where it may come.

    Asked is everybody whose number is known: a withheld one is nobody who could be looked up.
    How long it is kept counts from the call, with the rules of its day.
    """
    region = account(connection).region
    written = {each for one in existing.numbers for each in _spellings(one, region)}
    if any(objections.objected(store.erasures, connection, each) for each in written):
        return Bar.NEVER
    forgotten = store.erasures.people(Listed.NUMBER)
    marks = (forgotten.get(store.erasures.number_mark(each)) for each in written)
    if any(at is not None and called_at <= at for at in marks):
        return Bar.FORGOTTEN
    decision = law.decide(existing.parties, existing.on)
    codes = {place.code for located in decision.parties for place in located.places}
    kept = periods.of(
        connection,
        sorted(codes),
        purpose_of(law),
        called_at.date(),
        law.rules,
        law.policy,
        store.retention,
    )
    return Bar.TOO_OLD if called_at + timedelta(days=kept.days) <= now else None


def purpose_of(law: Law) -> Purpose:
    """For what a recording that is brought over is kept: the account's main purpose."""
    return law.policy.purpose or Purpose.QUALITY


def decided(law: Law, existing: Existing, found: Bar | None) -> Decision:
    """What the law asked of a call; forbidden where somebody is never to be recorded."""
    if found is Bar.NEVER:
        law = replace(law, policy=replace(law.policy, contact_objected=True))
    return law.decide(existing.parties, existing.on)


def _spellings(number: str | None, region: str | None) -> Iterator[str]:
    """What a number may mean as E.164: as a call of our own takes it, and with a + left out."""
    if number is None:
        return
    for each in (standard(number, region), standard(f"+{number.removeprefix('+')}")):
        if each is not None:
            yield each
