"""Figures about single persons: off without a ground, on by site, never by subtraction."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server import rig

from askfirst.policy import Policy
from askfirst.rules import packaged
from askfirst.server import account, accounts, sites
from askfirst.server.access import UserRole
from askfirst.server.accounts import User
from askfirst.server.assurance import Figure, report
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, reading, transaction
from askfirst.server.groupfigures import figures
from askfirst.server.personfigures import (
    NOWHERE,
    SMALLEST,
    GroupKind,
    groups,
    may_show,
    shown_to,
)
from askfirst.server.sites import POSTING, WORKS_AGREEMENT
from askfirst.server.store import Store

TODAY = utc_now().date()
DAY = timedelta(days=1)
AGREED = ("DE", WORKS_AGREEMENT)


def hire(store: Store, name: str, place: str | None = None, team: str | None = None) -> User:
    with transaction(store.engine) as connection:
        return accounts.add_user(
            connection,
            f"{name}@example.org",
            name,
            [UserRole.AGENT],
            rig.AT,
            place=place,
            team=team,
        )


def agree(store: Store, by: User, since: date = TODAY, until: date | None = None) -> str:
    with transaction(store.engine) as connection:
        note = "Agreement with the works council"
        return sites.record(connection, packaged(), AGREED, note, (since, until), by.id, utc_now())


def persons(store: Store, viewer: str | None = None, on: date = TODAY) -> frozenset[str]:
    with reading(store.engine) as connection:
        return shown_to(connection, packaged(), viewer, on).persons


def missing(store: Store) -> list[str]:
    with reading(store.engine) as connection:
        return list(shown_to(connection, packaged(), None, TODAY).missing)


def test_without_agreement_and_basis_nobody_is_shown_to_others_and_everybody_to_themselves(
    store: Store,
) -> None:
    german, nowhere = hire(store, "gesa", "DE"), hire(store, "nils")

    assert persons(store) == frozenset()
    assert persons(store, german.id) == {german.id}
    assert missing(store) == [NOWHERE, "DE"]
    assert persons(store, nowhere.id) == {nowhere.id}


def test_an_agreement_shows_the_people_of_its_place_and_no_others(store: Store) -> None:
    german, norwegian = hire(store, "gesa", "DE"), hire(store, "nora", "NO")

    agree(store, german)

    assert persons(store) == {german.id}
    assert missing(store) == ["NO"]
    assert norwegian.id not in persons(store)


def test_an_agreement_that_is_over_ended_or_still_to_come_shows_nobody(store: Store) -> None:
    german = hire(store, "gesa", "DE")
    agree(store, german, TODAY - 9 * DAY, TODAY - DAY)
    agree(store, german, TODAY + DAY)
    ended = agree(store, german)
    with transaction(store.engine) as connection:
        sites.end(connection, ended, german.id, utc_now())

    assert persons(store) == frozenset()
    assert persons(store, on=TODAY + DAY) == {german.id}


def test_a_stated_basis_shows_everybody_until_it_is_taken_back(store: Store) -> None:
    german, nowhere = hire(store, "gesa", "DE"), hire(store, "nils")
    for basis, expected in (("Decision of 3 May", {german.id, nowhere.id}), (None, set())):
        with transaction(store.engine) as connection:
            account.change(connection, {"person_figures_basis": basis}, german.id, utc_now())

        assert persons(store) == expected


def test_people_without_a_place_work_at_that_of_the_account(store: Store) -> None:
    nowhere = hire(store, "nils")
    with transaction(store.engine) as connection:
        account.change(connection, {"home_place": "DE"}, None, utc_now())

    agree(store, nowhere)

    assert persons(store) == {nowhere.id}


@pytest.mark.parametrize(
    ("place", "settled", "basis", "expected"),
    [
        ("DE", {AGREED}, None, True),
        ("DE", {("DE", POSTING)}, None, False),
        ("DE", {("FR", WORKS_AGREEMENT)}, None, False),
        ("US-NY", {("US-NY", POSTING)}, None, False),
        (None, {AGREED}, None, False),
        (None, set(), "Decision of 3 May", True),
        ("ZZ", {AGREED}, None, False),
        ("DE", set(), "", False),
    ],
)
def test_only_an_agreement_of_the_place_or_a_basis_shows_a_person(
    place: str | None, settled: set[sites.Gate], basis: str | None, expected: bool
) -> None:
    assert may_show(place, packaged(), settled, basis) is expected


def test_the_policy_stands_for_an_agreement_where_rules_want_one_and_nowhere_else() -> None:
    policy = Policy.parse({"works_agreement_on_file": True})
    settled = sites.settled((), packaged(), policy, TODAY)

    shown = {place: may_show(place, packaged(), settled, None) for place in ("DE", "NO")}

    assert shown == {"DE": True, "NO": False}


PERSON = User("usr_0", "a@example.org", "A", frozenset(), None, None, "en", "system", False, None)


@st.composite
def staffs(draw: st.DrawFn) -> tuple[list[User], frozenset[str]]:
    teams = draw(st.lists(st.sampled_from([None, "a", "b", "c"]), max_size=24))
    people = [
        replace(PERSON, id=f"usr_{number}", name=f"n{number}", team=team)
        for number, team in enumerate(teams)
    ]
    shown = draw(st.sets(st.sampled_from([each.id for each in people]))) if people else set()
    return people, frozenset(shown)


@given(staffs())
def test_everybody_is_in_exactly_one_group(staff: tuple[list[User], frozenset[str]]) -> None:
    people, shown = staff

    found = [member for each in groups(people, shown) for member in each.members]

    assert sorted(found) == sorted(each.id for each in people)


@given(staffs())
def test_no_group_shows_fewer_than_five_people_who_may_not_be_shown_alone(
    staff: tuple[list[User], frozenset[str]],
) -> None:
    people, shown = staff

    found = groups(people, shown)

    for each in found:
        if each.kind is GroupKind.PERSON:
            assert each.members <= shown
        else:
            assert len(each.members) >= min(SMALLEST, len(people))


def test_teams_are_shown_in_place_of_persons_and_small_ones_are_folded(store: Store) -> None:
    people = [hire(store, f"n{each}", "NO", "north") for each in range(5)]
    people += [hire(store, f"s{each}", "NO", "south") for each in range(3)]
    people += [hire(store, f"w{each}", "NO", "west") for each in range(2)]
    people += [hire(store, f"g{each}", "DE", "south") for each in range(2)]
    agree(store, people[0])

    found = groups(people, persons(store))

    told = [(each.kind, each.name, len(each.members)) for each in found]
    assert told == [
        (GroupKind.PERSON, "g0", 1),
        (GroupKind.PERSON, "g1", 1),
        (GroupKind.TEAM, "north", 5),
        (GroupKind.OTHERS, "", 5),
    ]


def test_the_report_counts_by_team_until_there_is_a_ground(store: Store) -> None:
    people = [hire(store, f"n{each}", "DE", "north") for each in range(5)]
    with transaction(store.engine) as connection:
        for number, each in enumerate([*people, people[0], None]):
            connection.execute(
                calls.insert().values(
                    id=f"call_{number}", created_at=rig.AT, ended_at=rig.AT, provider="simulator",
                    direction="outbound", language="en", policy={}, proof=0,
                    agent=None if each is None else each.id,
                )
            )  # fmt: skip
        found = report(connection, rig.AT - DAY, rig.AT + DAY)

    def counted() -> dict[str, int]:
        with reading(store.engine) as connection:
            shown = figures(connection, found, packaged(), None, TODAY)
        return {group.name: counts[Figure.CALLS] for group, counts in shown.rows}

    assert counted() == {"north": 6}
    agree(store, people[0])
    assert counted() == {"n0": 2, "n1": 1, "n2": 1, "n3": 1, "n4": 1}
