"""Nothing is erased too early, nothing for lack of a setting, nothing kept without a reason."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.errors import InvalidInput
from askfirst.model import Purpose
from askfirst.retention import (
    MANDATORY_YEARS,
    MAX_DAYS,
    Action,
    Held,
    Mandatory,
    Past,
    Step,
    Why,
    after_withdrawal,
    due,
    mandatory_until,
)

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DAYS = {Purpose.TRAINING: 90}
SECOND = timedelta(seconds=1)
REC = "rec_1"


def step(
    on: datetime,
    *,
    recorded_at: datetime = AT,
    mandatory: Mandatory | None = None,
    legal_hold: bool = False,
    erasure_asked: bool = False,
    days: dict[Purpose, int] = DAYS,
) -> Step:
    held = Held(REC, recorded_at, Purpose.TRAINING, mandatory, legal_hold, erasure_asked)
    (found,) = due([held], on, days)
    return found


def test_a_recording_is_due_when_its_period_is_over_and_not_a_second_before() -> None:
    end = AT + timedelta(days=90)
    assert step(end - SECOND) == Step(REC, Action.KEEP, Why.PERIOD_RUNS, end)
    assert step(end) == Step(REC, Action.ERASE, Why.PERIOD_OVER, end)


@pytest.mark.parametrize(
    ("mandatory", "end"),
    [
        (Mandatory.MIFID2, datetime(2031, 3, 1, 12, tzinfo=UTC)),
        (Mandatory.FCA, datetime(2031, 3, 1, 12, tzinfo=UTC)),
        (Mandatory.CFTC, datetime(2027, 3, 1, 12, tzinfo=UTC)),
    ],
)
@pytest.mark.parametrize("asked", [False, True])
def test_a_mandatory_period_blocks_until_its_last_second(
    mandatory: Mandatory, end: datetime, asked: bool
) -> None:
    before = step(end - SECOND, mandatory=mandatory, erasure_asked=asked)
    assert before == Step(REC, Action.KEEP, Why.MANDATORY_PERIOD, end)
    after = step(end, mandatory=mandatory, erasure_asked=asked)
    assert (after.action, after.until) == (Action.ERASE, end)


def test_the_accounts_longer_period_outlasts_a_mandatory_one() -> None:
    end = AT + timedelta(days=1000)
    found = step(AT + timedelta(days=400), mandatory=Mandatory.CFTC, days={Purpose.TRAINING: 1000})
    assert found == Step(REC, Action.KEEP, Why.PERIOD_RUNS, end)


def test_an_erasure_that_was_asked_for_is_due_at_once() -> None:
    assert step(AT, erasure_asked=True) == Step(REC, Action.ERASE, Why.ERASURE_ASKED, AT)
    assert step(AT, erasure_asked=True, days={}).action is Action.ERASE


def test_a_recording_of_the_future_is_kept() -> None:
    assert step(AT - SECOND, erasure_asked=True).action is Action.KEEP


@pytest.mark.parametrize("mandatory", [None, *Mandatory])
@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("days", [{}, DAYS])
def test_a_legal_hold_keeps_for_ever(
    mandatory: Mandatory | None, asked: bool, days: dict[Purpose, int]
) -> None:
    found = step(
        AT + timedelta(days=30_000),
        mandatory=mandatory,
        legal_hold=True,
        erasure_asked=asked,
        days=days,
    )
    assert found == Step(REC, Action.KEEP, Why.LEGAL_HOLD, None)


def test_without_a_period_for_its_purpose_a_recording_is_kept_and_the_reason_shown() -> None:
    found = step(AT + timedelta(days=30_000), days={Purpose.QUALITY: 1})
    assert found == Step(REC, Action.KEEP, Why.NO_PERIOD, None)


def test_a_plan_has_a_step_for_every_recording_in_order() -> None:
    held = [
        Held("rec_a", AT, Purpose.TRAINING),
        Held("rec_b", AT + timedelta(days=30), Purpose.TRAINING),
        Held("rec_c", AT, Purpose.QUALITY),
    ]
    plan = due(iter(held), AT + timedelta(days=100), DAYS | {Purpose.QUALITY: 365})
    assert [(found.recording, found.action) for found in plan] == [
        ("rec_a", Action.ERASE),
        ("rec_b", Action.KEEP),
        ("rec_c", Action.KEEP),
    ]
    assert due([], AT, {}) == ()


def test_the_end_does_not_depend_on_the_zone_in_which_the_times_are_given() -> None:
    there = timezone(timedelta(hours=13))
    end = AT + timedelta(days=90)
    assert step(end.astimezone(there), recorded_at=AT.astimezone(there)).action is Action.ERASE
    assert step((end - SECOND).astimezone(there)).action is Action.KEEP


def test_a_period_that_starts_on_a_leap_day_ends_on_the_first_of_march() -> None:
    leap = datetime(2028, 2, 29, 23, 30, tzinfo=UTC)
    assert mandatory_until(leap, Mandatory.CFTC) == datetime(2029, 3, 1, 23, 30, tzinfo=UTC)
    assert mandatory_until(leap, Mandatory.FCA) == datetime(2033, 3, 1, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize("days", [0, -1, MAX_DAYS + 1])
def test_a_period_out_of_range_is_refused(days: int) -> None:
    with pytest.raises(InvalidInput, match="retention of training"):
        due([], AT, {Purpose.TRAINING: days})
    assert due([], AT, {Purpose.TRAINING: 1, Purpose.QUALITY: MAX_DAYS}) == ()


def test_a_time_without_a_zone_is_refused() -> None:
    naive = AT.replace(tzinfo=None)
    with pytest.raises(InvalidInput, match="zone"):
        due([], naive, DAYS)
    with pytest.raises(InvalidInput, match="zone"):
        step(AT, recorded_at=naive, legal_hold=True)
    with pytest.raises(InvalidInput, match="zone"):
        mandatory_until(naive, Mandatory.CFTC)


def test_every_regime_has_its_years() -> None:
    assert set(MANDATORY_YEARS) == set(Mandatory)


@given(
    st.integers(0, 40_000),
    st.sampled_from([None, *Mandatory]),
    st.booleans(),
    st.booleans(),
    st.none() | st.integers(1, MAX_DAYS),
)
def test_erasing_never_comes_before_anything_that_forbids_it(
    age_days: int, mandatory: Mandatory | None, hold: bool, asked: bool, period: int | None
) -> None:
    on = AT + timedelta(days=age_days)
    days = {} if period is None else {Purpose.TRAINING: period}
    found = step(on, mandatory=mandatory, legal_hold=hold, erasure_asked=asked, days=days)
    lawful = mandatory is None or on >= mandatory_until(AT, mandatory)
    wanted = asked or (period is not None and age_days >= period)
    assert (found.action is Action.ERASE) == (not hold and lawful and wanted)
    if found.action is Action.KEEP and found.until is not None:
        assert found.until > on
        later = step(found.until, mandatory=mandatory, erasure_asked=asked, days=days)
        assert later.action is Action.ERASE


@pytest.mark.parametrize(
    ("past", "mandatory", "hold"),
    list(itertools.product(Past, [None, *Mandatory], [False, True])),
)
def test_after_a_withdrawal_the_person_gets_what_the_law_allows(
    past: Past, mandatory: Mandatory | None, hold: bool
) -> None:
    found = after_withdrawal(past, mandatory, hold)
    if past is Past.KEEP:
        assert found is Action.KEEP
    elif hold or mandatory is not None:
        assert found is Action.QUARANTINE
    else:
        assert found is Action.ERASE
