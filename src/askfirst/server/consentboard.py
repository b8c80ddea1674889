"""The dashboard of consent: who was asked, what became of it, on which proof, and how soon.

It is about answered calls that are not private; a private call shows nobody where it went.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import numpy as np
import sqlalchemy as sa

from askfirst import model
from askfirst.gate import State
from askfirst.model import Mode, OutcomeCode, Proof, Role, Verdict
from askfirst.server.activityboard import HIGH, MEDIAN
from askfirst.server.boardpeople import CALLS, Scope
from askfirst.server.boards import (
    CONSENT,
    Board,
    Cell,
    Column,
    Period,
    Table,
    Unit,
    part,
    percentile,
    whole,
)
from askfirst.server.database import calls, consents, erasures, parties, recordings, timeline

GIVEN, WITHDRAWN = ("agreed", "informed"), "withdrawn"
ERASED = "erased-"
"""Before the reason of an erasure."""

UNKNOWN = ""
"""The place of contacts of whom none is known."""


class Asking(StrEnum):
    """What became of asking in a call; exactly one for each call, but for `ASKED`, the sum of the
    three behind it.
    """

    ASKED = "asked"
    AGREED = "agreed"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    NOT_ASKED = "not-asked"
    FORBIDDEN = "forbidden"
    OTHER = "other"


_WERE_ASKED = (Asking.AGREED, Asking.REFUSED, Asking.UNANSWERED)
_UNANSWERED = (OutcomeCode.SILENT.value, OutcomeCode.NOTICE_CUT.value)
_STRICTEST = (Mode.FORBID.word, Mode.ASK.word, Mode.AUTO.word)

Facts = tuple[str | None, str | None, int, str | None]
"""Mode, outcome, proof and verdict of a call."""


def asking(mode: str | None, outcome: str | None, proof: int) -> Asking:
    """What became of asking in a call, by the mode of its decision, its outcome and its proof."""
    if proof > Proof.NONE:
        return Asking.AGREED
    if outcome == OutcomeCode.REFUSED.value:
        return Asking.REFUSED
    if mode == Mode.FORBID.word:
        return Asking.FORBIDDEN
    if outcome in _UNANSWERED:
        return Asking.UNANSWERED
    if outcome == OutcomeCode.NOT_ASKED.value:
        return Asking.NOT_ASKED
    return Asking.OTHER


def consent(connection: sa.Connection, scope: Scope, period: Period) -> Board:
    """The dashboard of a period, beside as many days before it."""
    placed = _placed(connection, scope, period)
    now = Counter[Facts]()
    for (facts, _), count in placed.items():
        now[facts] += count
    return Board(
        CONSENT,
        [
            _askings(now, _before(connection, scope, period)),
            _places(placed),
            _proofs(placed),
            _times(connection, scope, period),
            _verdicts(now),
            _taken_back(connection, scope, period),
        ],
    )


def _counts(scope: Scope) -> sa.ColumnElement[bool]:
    """Which calls of a scope count here."""
    return sa.and_(calls.c.answered_at.is_not(None), calls.c.private_at.is_(None), scope.condition)


_FACTS = (calls.c.mode, calls.c.outcome, calls.c.proof, calls.c.verdict)


def _placed(
    connection: sa.Connection, scope: Scope, period: Period
) -> Mapping[tuple[Facts, frozenset[str]], int]:
    """How many calls there are of each kind, and with contacts who may be at the same places."""
    # As text, of which there are few different ones: each is read once.
    places = sa.cast(parties.c.places, sa.Text)
    theirs = (parties.c.call == calls.c.id) & (parties.c.role != Role.AGENT.value)
    query = (
        sa.select(calls.c.id, *_FACTS, places)
        .select_from(CALLS.outerjoin(parties, theirs))
        .where(calls.c.created_at >= period.begins_at, calls.c.created_at < period.ends_at)
        .where(_counts(scope))
    )
    rows = connection.execute(query).all()
    if not rows:
        return {}
    ids, mode, outcome, proof, verdict, codes = zip(*rows, strict=True)
    facts = list(zip(mode, outcome, proof, verdict, strict=True))
    known = {each: _read(each) for each in set(codes)}
    counts = Counter[tuple[Facts, frozenset[str]]]()
    for (fact, code), count in Counter(zip(facts, codes, strict=True)).items():
        counts[fact, known[code]] += count
    _join(counts, ids, facts, [known[each] for each in codes])
    return +counts


def _read(codes: str | None) -> frozenset[str]:
    """The codes of a contact's places; the one that stands for an unknown place is none."""
    return frozenset(json.loads(codes or "[]") or ()) - {model.UNKNOWN}


def _join(
    counts: Counter[tuple[Facts, frozenset[str]]],
    ids: Sequence[str],
    facts: Sequence[Facts],
    places: Sequence[frozenset[str]],
) -> None:
    """Count a call with several contacts once, at all their places."""
    if len(set(ids)) == len(ids):
        return
    several = {call for call, count in Counter(ids).items() if count > 1}
    joined: dict[str, tuple[Facts, frozenset[str]]] = {}
    for call, fact, codes in zip(ids, facts, places, strict=True):
        if call in several:
            counts[fact, codes] -= 1
            joined[call] = fact, codes | joined.get(call, (fact, codes))[1]
    counts.update(joined.values())


def _before(connection: sa.Connection, scope: Scope, period: Period) -> Counter[Facts]:
    query = (
        sa.select(*_FACTS)
        .select_from(CALLS)
        .where(calls.c.created_at >= period.before_at, calls.c.created_at < period.begins_at)
        .where(_counts(scope))
    )
    rows = connection.execute(query).all()
    return Counter(zip(*zip(*rows, strict=True), strict=True)) if rows else Counter()


def _askings(now: Mapping[Facts, int], before: Mapping[Facts, int]) -> Table:
    counts, earlier = _by_asking(now.items()), _by_asking(before.items())
    total = sum(now.values())
    return Table(
        "askings",
        [Column("what", Unit.CODE), Column("now"), Column("share", Unit.SHARE), Column("before")],
        [
            [each.value, counts[each], part(counts[each], total), earlier[each]]
            for each in Asking
        ],
    )  # fmt: skip


def _by_asking(facts: Iterable[tuple[Facts, int]]) -> Counter[Asking]:
    found = Counter[Asking]()
    for (mode, outcome, proof, _), count in facts:
        found[asking(mode, outcome, proof)] += count
    found[Asking.ASKED] = sum(found[each] for each in _WERE_ASKED)
    return found


def _by_place(
    placed: Mapping[tuple[Facts, frozenset[str]], int],
) -> dict[str, list[tuple[Facts, int]]]:
    """Calls by place; one counts at every place at which a contact of it may have been."""
    found: dict[str, list[tuple[Facts, int]]] = {}
    for (facts, codes), count in placed.items():
        for code in codes or (UNKNOWN,):
            found.setdefault(code, []).append((facts, count))
    return dict(sorted(found.items()))


def _places(placed: Mapping[tuple[Facts, frozenset[str]], int]) -> Table:
    rows: list[list[Cell]] = []
    for code, facts in _by_place(placed).items():
        counts = _by_asking(facts)
        modes = {mode for (mode, *_), _ in facts}
        strictest = next((each for each in _STRICTEST if each in modes), None)
        rows.append(
            [code, strictest, sum(count for _, count in facts), *(counts[each] for each in Asking)]
        )
    return Table(
        "places",
        [
            Column("place", Unit.PLACE),
            Column("rule", Unit.CODE),
            Column("calls"),
            *(Column(each.value) for each in Asking),
        ],
        rows,
    )


def _proofs(placed: Mapping[tuple[Facts, frozenset[str]], int]) -> Table:
    rows: list[list[Cell]] = []
    for code, facts in _by_place(placed).items():
        counts = Counter[int]()
        for (_, _, proof, _), count in facts:
            counts[proof] += count
        if agreed := sum(counts[each] for each in Proof if each):
            rows.append([code, agreed, *(counts[each] for each in Proof if each)])
    levels = (Column(f"proof-{int(each)}") for each in Proof if each)
    return Table("proofs", [Column("place", Unit.PLACE), Column("agreed"), *levels], rows)


def _times(connection: sa.Connection, scope: Scope, period: Period) -> Table:
    """From the answer, and from where telling began, to the first evidence of a contact."""
    told = (timeline.c.call == calls.c.id) & (timeline.c.state == State.TELLING.value)
    asked = sa.select(sa.func.min(timeline.c.at_ms)).where(told).correlate(calls)
    query = (
        sa.select(calls.c.id, consents.c.how, consents.c.at_ms, asked.scalar_subquery())
        .select_from(CALLS.join(consents, consents.c.call == calls.c.id))
        .where(calls.c.created_at >= period.begins_at, calls.c.created_at < period.ends_at)
        .where(_counts(scope), consents.c.kind.in_(GIVEN))
    )
    first: dict[str, tuple[int, str, int | None]] = {}
    for call, how, at_ms, asked_ms in connection.execute(query).all():
        if call not in first or (at_ms, how) < first[call][:2]:
            first[call] = at_ms, how, asked_ms
    ways: dict[str, list[tuple[int, int | None]]] = {}
    for at_ms, how, asked_ms in first.values():
        is_known = asked_ms is not None and asked_ms <= at_ms
        ways.setdefault(how, []).append((at_ms, at_ms - (asked_ms or 0) if is_known else None))
    every = [each for way in ways.values() for each in way]
    return Table(
        "times",
        [
            Column("how", Unit.CODE),
            Column("calls"),
            Column("median", Unit.MS),
            Column("high", Unit.MS),
            Column("asked-median", Unit.MS),
            Column("asked-high", Unit.MS),
        ],
        [_time("all", every), *(_time(how, ways[how]) for how in sorted(ways))] if every else [],
    )


def _time(how: str, times: list[tuple[int, int | None]]) -> list[Cell]:
    answered = np.array([each for each, _ in times], dtype=np.int64)
    asked = np.array([each for _, each in times if each is not None], dtype=np.int64)
    figures = (
        whole(percentile(values, share)) for values in (answered, asked) for share in (MEDIAN, HIGH)
    )
    return [how, len(times), *figures]


def _verdicts(now: Mapping[Facts, int]) -> Table:
    counts = Counter[str]()
    for (_, _, proof, verdict), count in now.items():
        if verdict is not None or proof > Proof.NONE:
            counts[verdict or Verdict.NOT_NEEDED.value] += count
    total = sum(counts.values())
    return Table(
        "verdicts",
        [Column("what", Unit.CODE), Column("calls"), Column("share", Unit.SHARE)],
        [[each.value, counts[each], part(counts[each], total)] for each in Verdict],
    )


def _taken_back(connection: sa.Connection, scope: Scope, period: Period) -> Table:
    """Calls of the period in which a yes was taken back, and recordings that were erased in it."""
    withdrawn = (
        sa.select(sa.func.count(sa.distinct(calls.c.id)))
        .select_from(CALLS.join(consents, consents.c.call == calls.c.id))
        .where(calls.c.created_at >= period.begins_at, calls.c.created_at < period.ends_at)
        .where(_counts(scope), consents.c.kind == WITHDRAWN)
    )
    erased = (
        sa.select(erasures.c.reason, sa.func.count())
        .select_from(
            CALLS.join(recordings, recordings.c.call == calls.c.id).join(
                erasures, erasures.c.recording == recordings.c.id
            )
        )
        .where(erasures.c.done_at >= period.begins_at, erasures.c.done_at < period.ends_at)
        .where(scope.condition)
        .group_by(erasures.c.reason)
        .order_by(erasures.c.reason)
    )
    reasons = {str(row[0]): int(row[1]) for row in connection.execute(erased)}
    by_reason: list[list[Cell]] = [[f"{ERASED}{each}", reasons[each]] for each in reasons]
    return Table(
        "taken-back",
        [Column("what", Unit.CODE), Column("now")],
        [
            [WITHDRAWN, int(connection.execute(withdrawn).scalar_one())],
            ["erased", sum(reasons.values())],
            *by_reason,
        ],
    )
