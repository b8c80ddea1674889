"""What was brought over is kept no longer than calls of our own: counted from the call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server.people import KARI, employ
from tests.twilio.importrig import BERLIN, CALIFORNIA, NOW, OURS, Case, Full, sound
from tests.twilio.serving import serving

from askfirst.auditing import Law
from askfirst.errors import Refused
from askfirst.policy import Policy
from askfirst.rules import packaged
from askfirst.server import account, erasure, importbars, importleft, importreport, sweep
from askfirst.server.auditrun import Existing, Reach
from askfirst.server.database import reading, recordings, transaction
from askfirst.server.importbars import Bar
from askfirst.server.importing import Importer, Origin
from askfirst.server.importtables import imports
from askfirst.server.queue import Reason, Wanted, items
from askfirst.server.queuecheck import age
from askfirst.server.store import Store
from askfirst.twilioemulator.kept import Account, KeptNumber
from askfirst.twilioemulator.resources import Resources

DAYS = 5


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    there = Account()
    there.numbers["PN1"] = KeptNumber(f"PN{1:032x}", OURS)
    store = Store.open(tmp_path / "data")
    employ(store)
    with serving(Resources(there).routes()) as base:
        yield Case(there, replace(store, retention=timedelta(days=DAYS)), base)
    store.close()


def settings(case: Case, **values: object) -> None:
    with transaction(case.store.engine) as connection:
        account.change(connection, values, KARI, NOW)


# What is too old


def test_what_is_older_than_its_period_is_not_even_fetched(case: Case) -> None:
    old, last, young = (case.add(number, CALIFORNIA) for number in (1, 5, 6))
    for is_dry in (True, False):
        lines = case.run(is_dry=is_dry, deletes=not is_dry)
        assert [each.ref for each in lines] == [old, last, young]
        assert [each.refused for each in lines] == [Bar.TOO_OLD, Bar.TOO_OLD, None]
        # What the law asked then is told all the same.
        assert [each.asked for each in lines] == ["told"] * 3
        assert [each.outcome for each in lines[:2]] == ["refused"] * 2
    assert case.there(old)
    assert case.fetched() == 1
    told = importreport.summary(lines, "twilio")
    assert "Refused, and still at the source: too-old 2." in told
    (row,) = case.rows(recordings)
    assert row.expires_at == row.created_at + timedelta(days=DAYS) > NOW


def test_the_period_of_its_purpose_and_of_its_places_counts(case: Case) -> None:
    case.add(7, CALIFORNIA)
    case.add(7 + 1, BERLIN)
    settings(case, retention={"purposes": {"quality": 3}})
    assert [each.refused for each in case.run(is_dry=True)] == [Bar.TOO_OLD, None]
    case.policy = Policy.parse({"purpose": "training"})
    assert [each.refused for each in case.run(is_dry=True)] == [None, None]
    settings(case, retention={"places": {"DE": 2}})
    assert [each.refused for each in case.run(is_dry=True)] == [None, Bar.TOO_OLD]


@given(st.integers(1, 60), st.integers(1, 60), st.integers(-1, 1))
def test_nothing_comes_that_the_sweep_would_take_at_once(
    case_of_all: Case, days: int, ago: int, second: int
) -> None:
    store = replace(case_of_all.store, retention=timedelta(days=days))
    at = NOW - timedelta(days=ago, seconds=second)
    existing = Existing("1", Path(), (CALIFORNIA,), "US-TX", at.date())
    with reading(store.engine) as connection:
        found = importbars.bar(store, connection, Law(packaged()), existing, at, NOW)
    assert (found is Bar.TOO_OLD) is (at + timedelta(days=days) <= NOW)


@pytest.fixture(scope="module")
def case_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    store = Store.open(tmp_path_factory.mktemp("ages"))
    yield Case(Account(), store, "")
    store.close()


def test_nothing_too_old_is_brought_by_another_way(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "1.wav"
    path.write_bytes(sound())
    at = NOW - timedelta(days=DAYS)
    existing = Existing("1", path, (CALIFORNIA,), "US-TX", at.date())
    importer = Importer(case.store, Law(packaged()), Reach(), case.hearing)
    with pytest.raises(Refused, match="older than such recordings are kept"):
        importer.bring(existing, Origin("twilio", "RE1", "twilio_1", at, "outbound"), NOW)
    assert case.rows(imports) == []


# What nobody decides


def locked(case: Case) -> datetime:
    """A recording that is locked, to be kept for a year; gives when it was locked."""
    case.store = replace(case.store, retention=timedelta(days=365))
    case.add(9, BERLIN)
    assert case.run()[0].outcome == "quarantined"
    with reading(case.store.engine) as connection:
        (item,) = items(connection, Wanted(reason=Reason.IMPORTED))
    return item.raised_at


def test_what_is_locked_and_nobody_decides_ends_as_any_quarantined_recording(case: Case) -> None:
    since = locked(case)
    assert age(case.store, since + timedelta(days=14, seconds=-1)) == 0
    over = since + timedelta(days=14)
    assert age(case.store, over) == 1
    erasure.carry_out(case.store, over)
    (row,) = case.rows(recordings)
    assert row.state == "erased"
    assert case.store.keys.of_recording(row.id) == []
    assert not any(each.startswith(row.id) for each in case.store.blobs.names())
    with reading(case.store.engine) as connection:
        (item,) = items(connection, Wanted(reason=Reason.IMPORTED, is_decided=True))
    assert (item.decision, item.decided_by) == ("aged", None)
    (line,) = case.run()
    assert line.outcome == "known"


def test_an_account_that_lets_nothing_age_keeps_it_to_the_end_of_its_period(case: Case) -> None:
    locked(case)
    settings(case, unverified_days=None)
    (row,) = case.rows(recordings)
    assert age(case.store, row.expires_at) == 0
    assert sweep.sweep(case.store, row.expires_at - timedelta(seconds=1)) == 0
    assert sweep.sweep(case.store, row.expires_at) == 1


# What was cut off


def test_what_was_cut_off_and_never_tried_again_goes_after_a_day(case: Case) -> None:
    case.add(9, CALIFORNIA)
    whole = case.store
    case.store = replace(whole, blobs=Full(whole.folder / "objects"))
    assert case.run()[0].outcome == "error"
    case.store = whole
    (left,) = case.rows(imports)
    assert importleft.sweep(whole, NOW + timedelta(days=1, seconds=-1)) == 0
    assert any(each.startswith(left.recording) for each in whole.blobs.names())
    assert importleft.sweep(whole, NOW + timedelta(days=1)) == 1
    assert whole.keys.of_recording(left.recording) == []
    assert not any(each.startswith(left.recording) for each in whole.blobs.names())
    assert case.rows(imports) == []
    assert case.run()[0].outcome == "ready"


def test_what_was_kept_is_not_taken_for_something_cut_off(case: Case) -> None:
    case.add(9, CALIFORNIA)
    case.run()
    assert importleft.sweep(case.store, NOW + timedelta(days=300)) == 0
    assert len(case.rows(imports)) == 1
