"""Failures of an address: counted for a while, over restarts, in a table that stays small."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.rig import AT

from askfirst.server import addressfailures
from askfirst.server.addressfailures import ALLOWED, COUNTED_FOR
from askfirst.server.database import transaction
from askfirst.server.signintables import address_failures
from askfirst.server.store import Store

ADDRESS = "203.0.113.7"


def fail(store: Store, *addresses: str, times: int = 1, after: timedelta = timedelta(0)) -> None:
    with transaction(store.engine) as connection:
        for address in addresses:
            for _ in range(times):
                addressfailures.count(connection, store.keys, address, AT + after)


def may_try(store: Store, address: str, after: timedelta = timedelta(0)) -> bool:
    with transaction(store.engine) as connection:
        return addressfailures.has_left(connection, store.keys, address, AT + after)


def test_an_address_that_failed_too_often_is_still_shut_out_after_a_restart(
    tmp_path: Path,
) -> None:
    store = Store.open(tmp_path / "data")
    fail(store, ADDRESS, times=ALLOWED - 1)
    assert may_try(store, ADDRESS)
    fail(store, ADDRESS)
    store.close()

    store = Store.open(tmp_path / "data")
    assert not may_try(store, ADDRESS)
    assert may_try(store, "203.0.113.8")
    store.close()


def test_failures_count_for_a_quarter_of_an_hour_and_are_then_forgotten(store: Store) -> None:
    fail(store, ADDRESS, times=ALLOWED)

    assert not may_try(store, ADDRESS, COUNTED_FOR - timedelta(seconds=1))
    assert may_try(store, ADDRESS, COUNTED_FOR)
    fail(store, "203.0.113.8", after=COUNTED_FOR)
    assert len(rig.rows(store, sa.select(address_failures))) == 1


def test_no_address_is_kept_in_the_clear_nor_as_a_hash_without_a_key(
    store: Store, tmp_path: Path
) -> None:
    fail(store, ADDRESS)
    other = Store.open(tmp_path / "other")
    fail(other, ADDRESS)

    ((one,),) = rig.rows(store, sa.select(address_failures.c.digest))
    ((two,),) = rig.rows(other, sa.select(address_failures.c.digest))
    other.close()
    assert ADDRESS not in one
    assert one != two


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:203.0.113.7", ADDRESS, True),
        ("testclient", "testclient", True),
        ("", ADDRESS, False),
    ],
)
def test_a_line_is_one_address_however_it_is_written(
    store: Store, one: str, other: str, is_same: bool
) -> None:
    fail(store, one, times=ALLOWED)

    assert may_try(store, other) is not is_same


def test_the_table_is_bounded_and_the_oldest_makes_room(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addressfailures, "MOST_ADDRESSES", 5)
    for number in range(9):
        fail(store, f"203.0.113.{number}", times=ALLOWED, after=timedelta(seconds=number))

    assert len(rig.rows(store, sa.select(address_failures))) == 5
    assert [may_try(store, f"203.0.113.{number}") for number in (3, 4, 8)] == [True, False, False]
