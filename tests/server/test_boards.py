"""Dashboards: every figure equals what counting by hand gives, and tells of nobody alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.server.boardrig import Made, hire, put, track

from askfirst.errors import InvalidRequest, Refused
from askfirst.model import RecordingState
from askfirst.rules import packaged
from askfirst.server import account, accounts, sites
from askfirst.server.access import Person, UserRole
from askfirst.server.activityboard import activity
from askfirst.server.boardpeople import own_scope, scope
from askfirst.server.boards import Board, Period, percentile, period_of
from askfirst.server.consentboard import Asking, asking, consent
from askfirst.server.database import (
    calls,
    consents,
    erasures,
    metadata,
    parties,
    reading,
    recordings,
    timeline,
    transaction,
)
from askfirst.server.qualityboard import quality
from askfirst.server.store import Store
from askfirst.server.systemboard import Lines, system

OSLO = ZoneInfo("Europe/Oslo")
AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TODAY = AT.date()
WEEK = Period(TODAY - timedelta(days=6), TODAY)
MORE = [HealthCheck.function_scoped_fixture]
OFFICER = Person("usr_officer", frozenset({UserRole.COMPLIANCE}), None)
LEAD = frozenset({UserRole.SUPERVISOR})


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One database with people, for all examples of the properties."""
    store = Store.open(tmp_path_factory.mktemp("boards") / "data")
    yield store
    store.close()


def show(
    store: Store, board: Any, person: Person = OFFICER, period: Period = WEEK, team: str = ""
) -> Board:
    with reading(store.engine) as connection:
        whose = scope(connection, person, packaged(), TODAY, team)
        found: Board = board(connection, whose, period)
        return found


def rows(board: Board, key: str) -> dict[Any, list[Any]]:
    return {row[0]: list(row[1:]) for row in board.table(key).rows}


def empty(store: Store) -> None:
    with transaction(store.engine) as connection:
        for name in ("tracker_hits", "call_figures"):
            connection.execute(metadata.tables[name].delete())
        for table in (erasures, recordings, consents, timeline, parties, calls):
            connection.execute(table.delete())


def agree(store: Store) -> None:
    """State a basis, so that figures about single persons may be shown."""
    with transaction(store.engine) as connection:
        account.change(connection, {"person_figures_basis": "Decision of 3 May"}, None, AT)


# Activity


MADE = st.builds(
    Made,
    at=st.integers(0, 14 * 24 * 60).map(lambda n: AT + timedelta(hours=12) - timedelta(minutes=n)),
    agent=st.sampled_from([None, "usr_a", "usr_b"]),
    direction=st.sampled_from(["inbound", "outbound"]),
    answers_s=st.sampled_from([None, 0.0, 4.5]),
    lasts_s=st.sampled_from([None, 0.0, 1.5, 60.0, 61.0, 3_600.0]),
    is_private=st.booleans(),
    mode=st.sampled_from([None, "auto", "ask", "forbid"]),
    outcome=st.sampled_from([None, "recorded", "refused", "silent", "notice-cut", "not-asked"]),
    proof=st.sampled_from([0, 0, 1, 3, 4]),
    verdict=st.sampled_from([None, "heard", "not-heard"]),
    places=st.lists(
        st.sampled_from([(), ("NO",), ("US-CA", "US-NY"), ("SE",), ("UNKNOWN",)]), max_size=2
    ),
    consents=st.lists(
        st.tuples(
            st.sampled_from(["agreed", "informed", "refused", "withdrawn"]),
            st.sampled_from(["agent", "keypad"]),
            st.integers(0, 9_000),
        ),
        max_size=3,
    ),
    told_ms=st.sampled_from([None, 0, 2_000]),
)


def is_in(made: Made, period: Period) -> bool:
    return period.begins_at <= made.at < period.ends_at


def nearest_rank(values: Sequence[float], hundredths: int) -> float | None:
    """By counting, in whole numbers."""
    for value in sorted(values):
        if 100 * sum(each <= value for each in values) >= hundredths * len(values):
            return value
    return None


@given(st.lists(MADE, max_size=12), st.sampled_from([UTC, OSLO]))
@settings(max_examples=25, deadline=None, suppress_health_check=MORE)
def test_activity_is_what_counting_gives(shared: Store, made: list[Made], zone: Any) -> None:
    empty(shared)
    put(shared, made)
    period = Period(TODAY - timedelta(days=6), TODAY, zone)

    board = show(shared, activity, period=period)

    now = [each for each in made if is_in(each, period)]
    sums = rows(board, "sums")
    came = [each for each in now if each.direction == "inbound"]
    assert sums["calls"][0] == len(now)
    assert sums["inbound"][0] == len(came)
    assert sums["outbound"][0] == len(now) - len(came)
    assert sums["private"][0] == sum(each.is_private for each in now)
    messages = [each for each in came if each.answers_s is not None and each.agent is None]
    assert sums["messages"][0] == len(messages)
    on = [each for each in now if each.answers_s is not None]
    assert sums["answered"][0] == len(on) - len(messages)
    over = [each for each in now if each.answers_s is None and each.lasts_s is not None]
    assert sums["missed"][0] == sum(each.direction == "inbound" for each in over)
    assert sums["unanswered"][0] == sum(each.direction == "outbound" for each in over)
    earlier = sum(period.before_at <= each.at < period.begins_at for each in made)
    assert sums["calls"][1] == earlier
    lengths = [
        each.lasts_s * 1_000
        for each in on
        if each.lasts_s is not None and not each.is_private and each not in messages
    ]
    assert rows(board, "lengths")["median"][0] == nearest_rank(lengths, 50)
    assert rows(board, "lengths")["high"][0] == nearest_rank(lengths, 90)
    days = Counter(each.at.astimezone(zone).date() for each in now)
    assert {day: out + came for day, (out, came, *_) in rows(board, "days").items()} == {
        TODAY - timedelta(days=n): days[TODAY - timedelta(days=n)] for n in range(7)
    }


def test_a_call_late_in_the_evening_of_utc_is_of_the_next_day_in_oslo(store: Store) -> None:
    put(store, [Made(datetime(2026, 11, 18, 23, 30, tzinfo=UTC))])

    in_oslo = rows(show(store, activity, period=Period(WEEK.since, TODAY, OSLO)), "days")
    in_utc = rows(show(store, activity), "days")

    assert [day for day, (out, *_) in in_oslo.items() if out] == [date(2026, 11, 19)]
    assert [day for day, (out, *_) in in_utc.items() if out] == [date(2026, 11, 18)]


def test_a_day_of_25_hours_counts_all_of_them(store: Store) -> None:
    # In Oslo 25 October 2026 began at 22:00 UTC and ended at 23:00 UTC.
    first = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)
    put(store, [Made(first + timedelta(hours=n)) for n in (-1, 0, 24, 25)])

    days = rows(show(store, activity, period=Period(date(2026, 10, 24), TODAY, OSLO)), "days")

    assert [days[date(2026, 10, day)][0] for day in (24, 25, 26)] == [1, 2, 1]


def test_a_long_period_is_shown_in_weeks_from_mondays(store: Store) -> None:
    put(store, [Made(AT), Made(AT - timedelta(days=7))])
    period = Period(TODAY - timedelta(days=99), TODAY)

    weeks = rows(show(store, activity, period=period), "weeks")

    assert sum(out for out, *_ in weeks.values()) == 2
    assert {day.weekday() for day in list(weeks)[1:]} == {0}
    assert next(iter(weeks)) == period.since


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(1, 100))
def test_a_percentile_is_the_least_value_that_enough_do_not_exceed(
    values: list[int], hundredths: int
) -> None:
    found = percentile(np.array(values, dtype=np.int64), hundredths / 100)

    assert found == nearest_rank(values, hundredths)


@pytest.mark.parametrize(
    ("days", "since", "until"),
    [
        ("0", "", ""),
        ("732", "", ""),
        ("-7", "", ""),
        ("٣", "", ""),
        ("", "2026-11-20", "2026-11-19"),
        ("", "0001-01-01", ""),
        ("", "", "9999-12-31"),
        ("", "2024-01-01", "2026-06-01"),
        ("", "yesterday", ""),
    ],
)
def test_what_is_no_period_is_refused(days: str, since: str, until: str) -> None:
    with pytest.raises(InvalidRequest):
        period_of(days, since, until, TODAY, OSLO)


def test_a_period_of_today_is_beside_yesterday() -> None:
    period = period_of("1", "", "", TODAY, OSLO)

    assert (period.since, period.until) == (TODAY, TODAY)
    assert period.begins_at - period.before_at == timedelta(days=1)


# Consent


@given(st.lists(MADE, max_size=12))
@settings(max_examples=25, deadline=None, suppress_health_check=MORE)
def test_consent_is_what_counting_gives(shared: Store, made: list[Made]) -> None:
    empty(shared)
    put(shared, made)

    board = show(shared, consent)

    now = [
        each
        for each in made
        if is_in(each, WEEK) and each.answers_s is not None and not each.is_private
    ]
    kinds = Counter(asking(each.mode, each.outcome, each.proof) for each in now)
    askings = rows(board, "askings")
    for kind in Asking:
        if kind is not Asking.ASKED:
            assert askings[kind][0] == kinds[kind]
    assert askings["asked"][0] == sum(
        each.proof > 0 or each.outcome == "refused"
        or (each.outcome in ("silent", "notice-cut") and each.mode != "forbid")
        for each in now
    )  # fmt: skip
    at = {
        code: [
            each for each in now
            if code in ({c for codes in each.places for c in codes} - {"UNKNOWN"} or {""})
        ]
        for code in ("", "NO", "SE", "US-CA", "US-NY")
    }  # fmt: skip
    places = rows(board, "places")
    assert {code: row[1] for code, row in places.items()} == {
        code: len(its) for code, its in at.items() if its
    }
    for code, (agreed, *levels) in rows(board, "proofs").items():
        assert levels == [sum(each.proof == n for each in at[code]) for n in range(1, 7)]
        assert agreed == sum(levels)
    first = [
        min(ms for kind, _, ms in each.consents if kind in ("agreed", "informed"))
        for each in now
        if any(kind in ("agreed", "informed") for kind, _, _ in each.consents)
    ]
    times = rows(board, "times")
    assert (times["all"][1] if first else None) == nearest_rank(first, 50)
    withdrawn = sum(any(kind == "withdrawn" for kind, _, _ in each.consents) for each in now)
    assert rows(board, "taken-back")["withdrawn"] == [withdrawn]


def test_time_from_asking_counts_from_where_telling_began(store: Store) -> None:
    put(
        store,
        [
            Made(AT, consents=[("agreed", "keypad", 9_000)], told_ms=4_000),
            Made(AT, consents=[("agreed", "keypad", 3_000)], told_ms=None),
            Made(AT, consents=[("agreed", "keypad", 1_000)], told_ms=4_000),
        ],
    )

    times = rows(show(store, consent), "times")

    assert times["keypad"] == [3, 3_000, 9_000, 5_000, 5_000]


def test_the_strictest_rule_of_a_place_is_shown(store: Store) -> None:
    put(store, [Made(AT, mode=mode) for mode in ("auto", "forbid", "ask")])

    assert rows(show(store, consent), "places")["NO"][0] == "forbid"


def test_an_erased_recording_counts_on_the_day_of_its_erasure(store: Store) -> None:
    old = AT - timedelta(days=100)
    put(store, [Made(AT, is_erased=True), Made(old, is_erased=True)])

    assert rows(show(store, consent), "taken-back")["erased"] == [1]
    longer = Period(TODAY - timedelta(days=120), TODAY)
    assert rows(show(store, consent, period=longer), "taken-back")["erased-retention"] == [2]


# Quality and people


def staff(store: Store, sizes: dict[str, int]) -> dict[str, list[str]]:
    return {
        team: [hire(store, f"{team}{n}", team, AT).id for n in range(size)]
        for team, size in sizes.items()
    }


def measured(agent: str, share: int = 50, **more: Any) -> Made:
    return Made(AT, agent, figures=(share, 100 - share, 60_000, 6, 100), **more)


FIGURES = st.tuples(
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from([0, 30_000, 60_000]),
    st.integers(0, 9),
    st.sampled_from([None, 100, 200]),
)
STUDIED = st.builds(
    Made,
    at=st.sampled_from([AT, AT - timedelta(days=8)]),
    agent=st.sampled_from(["usr_a", "usr_b"]),
    is_private=st.booleans(),
    figures=FIGURES,
    may_analyse=st.booleans(),
    state=st.sampled_from([RecordingState.READY.value, RecordingState.QUARANTINED.value]),
)


@given(st.lists(STUDIED, max_size=10))
@settings(max_examples=20, deadline=None, suppress_health_check=MORE)
def test_quality_is_what_counting_gives(shared: Store, made: list[Made]) -> None:
    empty(shared)
    put(shared, made)
    people = Person("usr_x", frozenset({UserRole.COMPLIANCE}), None)
    with reading(shared.engine) as connection:
        whose = scope(connection, people, packaged(), TODAY)
        everybody = type(whose)(
            whose.condition, whose.people, frozenset({"usr_a", "usr_b"}), is_own=False
        )
        board = quality(connection, everybody, WEEK)

    counted = [
        each.figures
        for each in made
        if is_in(each, WEEK) and not each.is_private and each.may_analyse
        if each.state == RecordingState.READY.value and each.figures is not None
    ]
    found = rows(board, "figures")
    if not counted:
        assert found == {}
        return
    count, share, longest, _, rate, *_ = found["now"]
    assert count == len(counted)
    shares = [ours / (ours + theirs) for ours, theirs, *_ in counted if ours + theirs]
    assert share == nearest_rank(shares, 50)
    assert longest == nearest_rank([each[4] for each in counted if each[4] is not None], 50)
    rates = [each[3] * 60_000 / each[2] for each in counted if each[2]]
    assert rate == nearest_rank(rates, 50)


def test_what_must_not_be_analysed_restricted_or_erased_is_in_no_figure(store: Store) -> None:
    agree(store)
    (agent,) = staff(store, {"north": 1})["north"]
    ids = put(
        store,
        [
            measured(agent, 10),
            measured(agent, 90, may_analyse=False),
            measured(agent, 90, is_erased=True),
            measured(agent, 90, state=RecordingState.ERASED.value),
            measured(agent, 90, is_private=True),
        ],
    )
    lead = Person("usr_lead", LEAD, "north")

    assert rows(show(store, quality, lead), "figures")["now"][:2] == [1, 0.1]

    with transaction(store.engine) as connection:
        connection.execute(
            recordings.update().where(recordings.c.call == ids[0]).values(failure="broken")
        )
    assert rows(show(store, quality, lead), "figures") == {}


def test_of_fewer_than_five_people_nothing_is_shown_without_a_ground(store: Store) -> None:
    people = staff(store, {"north": 4})["north"]
    put(store, [measured(each) for each in people])
    lead = Person("usr_lead", LEAD, "north")

    board = show(store, quality, lead)

    assert board.withheld
    assert all(not table.rows for table in board.tables)
    assert rows(show(store, activity, lead), "groups") == {}

    agree(store)
    board = show(store, quality, lead)
    assert not board.withheld
    assert list(rows(board, "groups")) == ["north0", "north1", "north2", "north3"]


def test_a_small_team_is_folded_together_with_a_large_one(store: Store) -> None:
    people = staff(store, {"north": 5, "south": 2, "west": 6})
    put(store, [measured(each) for team in people.values() for each in team])

    board = show(store, quality)

    # North and south together: a total without them beside it would tell of the two.
    assert {name: row[0] for name, row in rows(board, "groups").items()} == {"west": 6, "": 7}
    with pytest.raises(InvalidRequest):
        show(store, quality, team="south")
    with pytest.raises(InvalidRequest):
        show(store, activity, team="north")
    assert rows(show(store, activity, team="west"), "sums")["calls"][0] == 6


def test_officers_see_no_single_person_though_a_basis_is_stated(store: Store) -> None:
    agree(store)
    people = staff(store, {"north": 5, "south": 5})
    put(store, [measured(each) for team in people.values() for each in team])

    assert list(rows(show(store, quality), "groups")) == ["north", "south"]
    assert list(rows(show(store, activity), "groups")) == ["north", "south"]


def test_who_leads_a_team_sees_its_calls_and_nobody_elses(store: Store) -> None:
    agree(store)
    people = staff(store, {"north": 1, "south": 1})
    put(store, [measured(each) for team in people.values() for each in team])
    put(store, [Made(AT, None, "inbound", answers_s=None)], first=50)
    lead = Person("usr_lead", LEAD, "north")

    assert rows(show(store, activity, lead), "sums")["outbound"][0] == 1
    assert rows(show(store, consent, lead), "askings")["agreed"][0] == 1
    assert list(rows(show(store, quality, lead), "groups")) == ["north0"]
    with pytest.raises(InvalidRequest):
        show(store, activity, lead, team="south")


@pytest.mark.parametrize("role", [UserRole.AGENT, UserRole.ADMIN, UserRole.AUDITOR])
def test_who_has_no_permission_gets_no_scope(store: Store, role: UserRole) -> None:
    with reading(store.engine) as connection, pytest.raises(Refused):
        scope(connection, Person("usr_1", frozenset({role}), "north"), packaged(), TODAY)


def test_a_works_agreement_of_one_place_shows_its_people_only(store: Store) -> None:
    with transaction(store.engine) as connection:
        account.change(connection, {"home_place": "NO"}, None, AT)
    people = staff(store, {"north": 6})["north"]
    with transaction(store.engine) as connection:
        users = metadata.tables["users"]
        connection.execute(users.update().where(users.c.id == people[0]).values(place="DE"))
        sites.record(
            connection, packaged(), ("DE", sites.WORKS_AGREEMENT), "Agreed",
            (TODAY, None), people[0], AT,
        )  # fmt: skip
    put(store, [measured(each) for each in people])

    board = show(store, quality, Person("usr_lead", LEAD, "north"))

    assert list(rows(board, "groups")) == ["north0", "north"]
    assert board.missing == ["NO"]


def test_somebody_sees_their_own_figures_and_only_theirs(store: Store) -> None:
    people = staff(store, {"north": 2})["north"]
    put(store, [measured(people[0], 20), measured(people[1], 80), Made(AT, people[0])])
    with reading(store.engine) as connection:
        own = own_scope(accounts.user(connection, people[0]))
        how, much = quality(connection, own, WEEK), activity(connection, own, WEEK)

    assert rows(how, "figures")["now"][:2] == [1, 0.2]
    assert rows(much, "sums")["calls"][0] == 2
    assert {each.key for each in how.tables} == {"figures", "trackers"}


def test_a_tracker_counts_recordings_and_only_those_it_looks_at(store: Store) -> None:
    people = staff(store, {"north": 5, "south": 5})
    by = people["north"][0]
    price, local = track(store, "price", by, AT), track(store, "local", by, AT, team="south")
    put(store, [measured(each, hits=[price]) for each in people["north"]])
    put(store, [measured(each, hits=[local]) for each in people["south"][:1]], first=50)
    put(store, [measured(each) for each in people["south"][1:]], first=60)
    put(store, [measured(people["north"][0], is_erased=True, hits=[price])], first=90)

    board = show(store, quality)

    assert rows(board, "trackers") == {"local": [5, 1, 0.2], "price": [10, 5, 0.5]}
    assert [row[:5] for row in board.table("tracker-groups").rows] == [
        ["local", "south", 5, 1, 0.2],
        ["price", "north", 5, 5, 1.0],
        ["price", "south", 5, 0, 0.0],
    ]


# System


def test_the_system_counts_what_waits_and_says_how_old_the_newest_is(store: Store) -> None:
    put(store, [Made(AT, "usr_1", figures=(1, 1, 1, 1, 1), state="checking")])
    with transaction(store.engine) as connection:
        connection.execute(
            metadata.tables["outbox"]
            .insert()
            .values(id="finish:1", kind="finish", ref="1", created_at=AT - timedelta(hours=1))
        )
        for n, (kind, size) in enumerate([("audio", 900), ("transcript", 50), ("peaks", 7)]):
            connection.execute(
                metadata.tables["assets"].insert().values(
                    id=f"a{n}", recording="rec_000000", kind=kind, blob="b", bytes=size,
                    sha256="0", created_at=AT + timedelta(seconds=95),
                )
            )  # fmt: skip
        metadata_checkpoints = metadata.tables["checkpoints"]
        connection.execute(
            metadata_checkpoints.insert().values(size=1, at=AT - timedelta(days=2), note="")
        )
    with reading(store.engine) as connection:
        board = system(connection, store.folder, Lines(2, "open", 3, 10), WEEK, AT)

    assert rows(board, "storage")["audio"] == [1, 900]
    assert rows(board, "storage")["other"] == [2, 57]
    assert rows(board, "work")["orders"] == [1, 3_600_000]
    assert rows(board, "work")["unfinished"] == [1, 0]
    assert rows(board, "lag")["transcripts"] == [1, 30_000, 30_000, 30_000]
    assert rows(board, "ages")["checkpoint"][1] == 2 * 86_400_000
    assert rows(board, "ages")["backup"] == [None, None]
    assert rows(board, "lines") == {"live": ["running", 2, None], "trunk": ["open", 3, 10]}
    assert math.isfinite(rows(board, "storage")["free"][1])


def test_an_empty_installation_has_every_table(store: Store) -> None:
    for board in (activity, consent, quality):
        assert show(store, board).tables
    with reading(store.engine) as connection:
        query = sa.select(sa.func.count()).select_from(calls)
        assert connection.execute(query).scalar() == 0
