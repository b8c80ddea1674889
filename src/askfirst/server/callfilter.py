"""Which calls a list shows: a filter as data, from and to the parameters of an address.

A filter names people by id only, so that it may stand in an address and in a saved view. Numbers
that somebody typed are given beside it and are kept nowhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta, tzinfo

import sqlalchemy as sa

from askfirst.errors import InvalidRequest
from askfirst.model import Mode, OutcomeCode, Proof, Verdict
from askfirst.server.contacttables import contact_numbers
from askfirst.server.database import calls, parties, recordings

newest = recordings.alias("newest")
"""The newest recording of a call, as lists join it."""

YES, NO = "yes", "no"
_MODES = tuple(each.word for each in Mode)
_LONGEST = 80
_DAY = timedelta(days=1)
_PERCENTAGES = frozenset(str(each) for each in range(101))


@dataclass(frozen=True, slots=True)
class CallFilter:
    """What a call must be to be listed; empty fields do not narrow.

    `since` and `until` are days of whoever asks, both included; `agent` is a user's id and
    `contact` a contact's; `proof` is the least level; `recorded` and `hold` are yes or no.
    `tracker` is a tracker's id; `talk_from` and `talk_to` are our side's share of talk in per cent,
    both included. What these three ask for is in `learntfilter`.
    """

    since: str = ""
    until: str = ""
    agent: str = ""
    contact: str = ""
    mode: str = ""
    outcome: str = ""
    recorded: str = ""
    proof: str = ""
    hold: str = ""
    verdict: str = ""
    tracker: str = ""
    talk_from: str = ""
    talk_to: str = ""

    def __post_init__(self) -> None:
        for name, known in _KNOWN.items():
            if (given := getattr(self, name)) and given not in known:
                raise InvalidRequest(
                    f"{name}: found {given[:20]!r}; expected {', '.join(known)}", key=name
                )
        for name in ("since", "until"):
            _day(name, getattr(self, name))
        for name in ("agent", "contact", "tracker"):
            if len(getattr(self, name)) > _LONGEST:
                raise InvalidRequest(f"{name}: expected an id", key=name)
        for name in ("talk_from", "talk_to"):
            if (given := getattr(self, name)) and given not in _PERCENTAGES:
                raise InvalidRequest(f"{name}: expected 0 to 100 per cent", key=name)

    def parameters(self) -> dict[str, str]:
        """What narrows, for an address or a saved view."""
        return {
            each.name: value for each in fields(self) if (value := str(getattr(self, each.name)))
        }

    def period(self, zone: tzinfo = UTC) -> tuple[datetime | None, datetime | None]:
        """From when, and before when, a call was made; days are a zone's, None does not narrow."""
        since, until = _day("since", self.since), _day("until", self.until)
        return (
            None if since is None or since == date.min else _midnight(since, zone),
            None if until is None or until == date.max else _midnight(until + _DAY, zone),
        )

    def conditions(self, zone: tzinfo = UTC) -> Iterator[sa.ColumnElement[bool]]:
        """What a query over calls with their `newest` recording must ask for; days are a zone's.

        The first and the last day of the calendar bound nothing.
        """
        begin, end = self.period(zone)
        if begin is not None:
            yield calls.c.created_at >= begin
        if end is not None:
            yield calls.c.created_at < end
        if self.agent:
            yield calls.c.agent == self.agent
        if self.contact:
            own = sa.select(contact_numbers.c.number)
            yield with_numbers(own.where(contact_numbers.c.contact == self.contact))
        if self.mode:
            yield calls.c.mode == self.mode
        if self.outcome:
            yield calls.c.outcome == self.outcome
        if self.recorded:
            kept = newest.c.duration_ms.is_not(None)
            yield kept if self.recorded == YES else sa.not_(kept)
        if self.proof:
            yield calls.c.proof >= int(self.proof)
        if self.hold:
            held = sa.func.coalesce(newest.c.legal_hold, sa.false())
            yield held if self.hold == YES else sa.not_(held)
        if self.verdict:
            yield sa.func.coalesce(calls.c.verdict, Verdict.NOT_NEEDED.value) == self.verdict


_KNOWN: Mapping[str, tuple[str, ...]] = {
    "mode": _MODES,
    "outcome": tuple(each.value for each in OutcomeCode),
    "recorded": (YES, NO),
    "proof": tuple(str(int(each)) for each in Proof if each),
    "hold": (YES, NO),
    "verdict": tuple(each.value for each in Verdict),
}


def filter_of(given: Mapping[str, str]) -> CallFilter:
    """The filter of an address's parameters; raises InvalidRequest naming the first wrong one."""
    return CallFilter(
        **{each.name: given.get(each.name, "").strip() for each in fields(CallFilter)}
    )


def with_numbers(numbers: Collection[str] | sa.Select[tuple[str]]) -> sa.ColumnElement[bool]:
    """That somebody on a call has one of these numbers (E.164)."""
    return calls.c.id.in_(sa.select(parties.c.call).where(parties.c.number.in_(numbers)))


def _day(name: str, given: str) -> date | None:
    if not given:
        return None
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise InvalidRequest(
            f"{name}: found {given[:20]!r}; expected a day such as 2026-11-23", key=name
        ) from None


def _midnight(day: date, zone: tzinfo) -> datetime:
    # Where clocks skip midnight, or strike it twice, this is the first instant of the day.
    return datetime.combine(day, time(), zone).astimezone(UTC)
