"""Sites: what the rules want of them, and that nobody is recorded where it is not on record."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from tests.server import rig
from tests.server.people import KARI, employ
from tests.server.rig import HELLO, KEYED

from askfirst.errors import InvalidRequest, NotFound
from askfirst.policy import Policy
from askfirst.rules import packaged
from askfirst.server import sites
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.simulation import request_for
from askfirst.server.sites import POSTING, WORKS_AGREEMENT, Gate
from askfirst.server.store import Store

GERMANY = "DE"
TODAY = utc_now().date()
DAY = timedelta(days=1)
AGREED: Gate = (GERMANY, WORKS_AGREEMENT)
NOTE = "Agreement of 3 May with the works council, folder 12"


@pytest.fixture
def site(store: Store) -> Store:
    employ(store)
    return store


def record(
    store: Store, gate: Gate = AGREED, note: str = NOTE, *, since: date = TODAY,
    until: date | None = None,
) -> str:  # fmt: skip
    with transaction(store.engine) as connection:
        days = (since, until)
        return sites.record(connection, packaged(), gate, note, days, KARI, utc_now())


def settled(store: Store, on: date = TODAY, policy: Policy | None = None) -> frozenset[Gate]:
    with reading(store.engine) as connection:
        kept = sites.records(connection)
    return sites.settled(kept, packaged(), policy or Policy(), on)


def outcome(store: Store, tmp_path: Path, agent: str) -> str:
    persona = rig.callee(tmp_path / "callee", *KEYED, HELLO)
    request = replace(request_for(persona, agent), settled=settled(store))
    return str(rig.call_row(store, rig.virtually(store, persona, request=request).id).outcome)


def test_a_german_agent_is_not_recorded_before_the_agreement_is_on_record(
    site: Store, tmp_path: Path
) -> None:
    assert outcome(site, tmp_path / "before", GERMANY) == "blocked"

    record(site)

    assert outcome(site, tmp_path / "after", GERMANY) == "recorded"


def test_the_agreement_of_one_country_settles_nothing_in_another(site: Store) -> None:
    record(site)

    assert settled(site) == {AGREED}


def test_a_record_holds_from_its_first_day_to_its_last(site: Store) -> None:
    record(site, since=TODAY + DAY, until=TODAY + 2 * DAY)

    held = [settled(site, TODAY + days * DAY) == {AGREED} for days in range(4)]

    assert held == [False, True, True, False]


def test_a_record_that_was_ended_holds_no_more_and_stays_to_be_read(site: Store) -> None:
    identity = record(site)

    for _ in range(2):
        with transaction(site.engine) as connection:
            sites.end(connection, identity, KARI, utc_now())

    assert settled(site) == frozenset()
    with reading(site.engine) as connection:
        (kept,) = sites.records(connection)
    assert (kept.note, kept.ended_by) == (NOTE, KARI)


def test_the_accounts_word_stands_for_works_agreements_and_for_no_posting(site: Store) -> None:
    held = settled(site, policy=Policy(works_agreement_on_file=True))

    assert AGREED in held
    assert {gate for _, gate in held} == {WORKS_AGREEMENT}


@pytest.mark.parametrize(
    ("place", "gates"),
    [("DE", [AGREED]), ("US-NY", [("US-NY", POSTING)]), ("US-TX", []), ("NO", [])],
)
def test_what_is_wanted_follows_the_place(place: str, gates: list[Gate]) -> None:
    assert sites.wanted(packaged(), [place]) == gates


@pytest.mark.parametrize(
    ("gate", "note", "until", "key"),
    [
        (("NO", WORKS_AGREEMENT), NOTE, None, "gate"),
        ((GERMANY, "posting"), NOTE, None, "gate"),
        (AGREED, "x", None, "note"),
        (AGREED, "x" * 301, None, "note"),
        (AGREED, NOTE, TODAY - DAY, "until"),
    ],
)
def test_what_cannot_be_on_record_is_named(
    site: Store, gate: Gate, note: str, until: date | None, key: str
) -> None:
    with pytest.raises(InvalidRequest) as found:
        record(site, gate, note, until=until)

    assert found.value.key == key
    assert settled(site) == frozenset()


def test_what_is_not_on_record_cannot_end(site: Store) -> None:
    with pytest.raises(NotFound), transaction(site.engine) as connection:
        sites.end(connection, "site_none", KARI, utc_now())
