"""The shortest of what may be wins, what must be wins over it, and the reason is told."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst import rules
from askfirst.errors import InvalidInput
from askfirst.model import Purpose
from askfirst.retention import (
    Because,
    Held,
    Limit,
    Mandatory,
    Period,
    Periods,
    due,
    limits,
    mandatory_until,
    period,
)

BOOK = rules.packaged()
TODAY = date(2026, 11, 28)
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOBODY: frozenset[str] = frozenset()
UTILITY = frozenset({"public_utility"})
QUALITY = Purpose.QUALITY

days = st.integers(1, 3_650)
codes = st.lists(st.sampled_from(["NO", "FR", "BE", "HU", "US-CA", "UNKNOWN"]), max_size=3)
wants = st.builds(
    Periods,
    default=days,
    purposes=st.dictionaries(st.sampled_from(Purpose), days),
    places=st.dictionaries(st.sampled_from(["NO", "FR", "US", "US-CA"]), days),
)
bounds = st.lists(
    st.builds(Limit, rule=st.sampled_from("abcd"), days=days, is_longest=st.booleans())
)


def kept(wanted: Periods, *places: str, sectors: frozenset[str] = NOBODY) -> Period:
    return period(wanted, QUALITY, places, limits(BOOK, places, QUALITY, sectors, TODAY))


def test_without_a_word_for_purpose_or_place_the_default_counts() -> None:
    assert kept(Periods(90), "NO", "SE") == Period(90, Because.DEFAULT)


def test_the_shortest_of_purpose_and_places_wins_over_the_default() -> None:
    wanted = Periods(30, {QUALITY: 60}, {"NO": 45, "SE": 100, "DK": 7})

    assert kept(wanted, "NO", "SE") == Period(45, Because.PLACE, "NO")
    assert kept(wanted, "SE") == Period(60, Because.PURPOSE, "quality")


def test_a_period_for_a_country_counts_for_its_states() -> None:
    assert kept(Periods(90, {}, {"US": 30}), "US-CA") == Period(30, Because.PLACE, "US")


@pytest.mark.parametrize(
    ("code", "most", "rule"),
    [
        ("BE", 30, "BE.quality-period"),
        ("PT", 30, "PT.quality-period"),
        ("FR", 180, "FR.training-period"),
    ],
)
def test_a_rule_shortens_what_the_account_wants(code: str, most: int, rule: str) -> None:
    assert kept(Periods(365), "NO", code) == Period(most, Because.LONGEST, rule)
    assert kept(Periods(20), "NO", code) == Period(20, Because.DEFAULT)


def test_a_rule_for_another_purpose_or_trade_bounds_nothing() -> None:
    assert limits(BOOK, ["BE"], Purpose.BUSINESS_PROOF, NOBODY, TODAY) == ()
    assert limits(BOOK, ["HU", "BR"], QUALITY, NOBODY, TODAY) == ()


def test_a_purpose_that_nobody_named_may_be_any() -> None:
    assert [each.rule for each in limits(BOOK, ["BE"], None, NOBODY, TODAY)] == [
        "BE.quality-period"
    ]


def test_what_must_be_kept_wins_over_every_longest() -> None:
    found = kept(Periods(90), "BE", "HU", sectors=UTILITY)

    assert found == Period(1827, Because.SHORTEST, "HU.service-period", 1827, "HU.service-period")


def test_a_least_time_that_is_shorter_than_the_wish_lengthens_nothing_and_is_known() -> None:
    found = kept(Periods(365), "BR", sectors=UTILITY)

    assert found == Period(365, Because.DEFAULT, "", 90, "BR.service-period")


@pytest.mark.parametrize("wrong", [0, -1, 36_501])
def test_a_period_out_of_range_is_refused(wrong: int) -> None:
    with pytest.raises(InvalidInput, match="expected 1 to"):
        period(Periods(wrong), QUALITY, [], [])


@given(
    wants,
    st.sampled_from(Purpose),
    codes,
    bounds,
    st.builds(Limit, st.just("new"), days, st.just(True)),
)
def test_another_longest_never_keeps_a_recording_longer(
    wanted: Periods, purpose: Purpose, places: list[str], known: list[Limit], new: Limit
) -> None:
    before = period(wanted, purpose, places, known)
    after = period(wanted, purpose, places, [*known, new])

    assert after.days <= before.days
    assert after.days <= max(new.days, before.least_days)


@given(
    wants,
    st.sampled_from(Purpose),
    codes,
    bounds,
    st.builds(Limit, st.just("new"), days, st.just(False)),
)
def test_another_duty_to_keep_never_lets_a_recording_go_earlier(
    wanted: Periods, purpose: Purpose, places: list[str], known: list[Limit], new: Limit
) -> None:
    before = period(wanted, purpose, places, known)
    after = period(wanted, purpose, places, [*known, new])

    assert after.days >= max(before.days, new.days)


@given(wants, st.sampled_from(Purpose), codes, bounds, days)
def test_a_stricter_wish_for_a_place_never_keeps_a_recording_longer(
    wanted: Periods, purpose: Purpose, places: list[str], known: list[Limit], shorter: int
) -> None:
    before = period(wanted, purpose, [*places, "NO"], known)
    stricter = {**wanted.places, "NO": min(shorter, before.days)}
    after = period(
        Periods(wanted.default, wanted.purposes, stricter), purpose, [*places, "NO"], known
    )

    assert after.days <= before.days


@given(
    days, st.sampled_from([None, *Mandatory]), st.booleans(), st.booleans(), st.integers(0, 4000)
)
def test_a_hold_or_a_duty_never_lets_a_recording_go_earlier(
    period_days: int, mandatory: Mandatory | None, held: bool, asked: bool, later: int
) -> None:
    on, wanted = AT + timedelta(days=later), {QUALITY: period_days}

    def goes(duty: Mandatory | None, hold: bool) -> bool:
        (step,) = due([Held("rec_1", AT, QUALITY, duty, hold, asked)], on, wanted)
        return step.action == "erase"

    assert not goes(mandatory, held) or goes(None, False)
    assert not goes(mandatory, True)


@pytest.mark.parametrize(("years", "end"), [(None, 2031), (7, 2033), (1, 2031)])
def test_an_authority_may_ask_for_more_years_and_never_for_fewer(
    years: int | None, end: int
) -> None:
    assert mandatory_until(AT, Mandatory.MIFID2, years) == AT.replace(year=end)
