"""The retention sweep: what is due goes, what must stay stays."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.rig import BYE, KEYED

from askfirst.errors import Refused, Unavailable
from askfirst.server import account, erasure
from askfirst.server.clock import utc_now
from askfirst.server.database import erasures, recordings, sweeps, transaction
from askfirst.server.store import DEFAULT_RETENTION, Store
from askfirst.server.sweep import sweep

SOON = timedelta(days=1)


def reasons(store: Store) -> list[str]:
    return [row.reason for row in rig.rows(store, sa.select(erasures))]


def test_every_recording_gets_its_time_from_the_first_on(recorded: rig.Recorded) -> None:
    left = recorded.row.expires_at - recorded.row.created_at

    assert left == DEFAULT_RETENTION


def test_what_is_due_goes_and_the_call_says_so(recorded: rig.Recorded) -> None:
    store = recorded.store
    assert sweep(store, utc_now() + DEFAULT_RETENTION - SOON) == 0
    assert reasons(store) == []

    assert sweep(store, utc_now() + DEFAULT_RETENTION + SOON) == 1
    recorded.node.jobs.wait()

    assert recorded.row.state == "erased"
    assert reasons(store) == ["retention"]
    assert rig.call_row(store, recorded.call).outcome == "erased"
    assert store.blobs.names() == []
    assert "retention.swept" in rig.kinds(store)


@pytest.mark.parametrize(
    ("kept", "later"),
    [
        ({"legal_hold": True}, timedelta(days=36_500)),
        ({"mandatory": "fca"}, timedelta(days=5 * 365)),
        ({"mandatory": "cftc"}, timedelta(days=364)),
    ],
)
def test_holds_and_duties_keep_a_recording_beyond_its_time(
    recorded: rig.Recorded, kept: dict[str, object], later: timedelta
) -> None:
    rig.change(recorded.store, recorded.id, **kept)

    assert sweep(recorded.store, utc_now() + later) == 0
    assert erasure.carry_out(recorded.store, utc_now()) == 0
    assert recorded.row.state == "ready"
    assert recorded.node.playback.play(recorded.id, person="p", purpose="q")


@pytest.mark.parametrize(("duty", "years"), [("mifid2", 5), ("fca", 5), ("cftc", 1)])
def test_a_duty_to_record_ends_with_its_period(
    recorded: rig.Recorded, duty: str, years: int
) -> None:
    rig.change(recorded.store, recorded.id, mandatory=duty)

    assert sweep(recorded.store, utc_now() + timedelta(days=years * 366 + 1)) == 1
    assert reasons(recorded.store) == ["retention"]


@pytest.mark.parametrize("state", ["spool", "sealed", "checking", "quarantined"])
def test_no_state_hides_a_recording_from_its_end(recorded: rig.Recorded, state: str) -> None:
    rig.change(recorded.store, recorded.id, state=state)

    assert sweep(recorded.store, utc_now() + DEFAULT_RETENTION + SOON) == 1


def test_a_second_sweep_finds_nothing(recorded: rig.Recorded) -> None:
    later = utc_now() + DEFAULT_RETENTION + SOON
    sweep(recorded.store, later)
    recorded.node.jobs.wait()

    assert sweep(recorded.store, later) == 0


def test_the_recording_of_a_running_call_is_left_alone(store: Store, tmp_path: Path) -> None:
    call = rig.virtually(store, rig.callee(tmp_path / "callee", *KEYED, BYE))
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE calls SET ended_at = NULL")

    assert sweep(store, utc_now() + DEFAULT_RETENTION + SOON) == 0
    assert rig.spool(store, call)


def test_an_empty_store_is_swept_and_it_is_written_down(store: Store) -> None:
    assert sweep(store, utc_now()) == 0
    assert rig.kinds(store) == ["retention.swept"]


def test_two_sweeps_at_once_order_each_erasure_once(recorded: rig.Recorded) -> None:
    store, late = recorded.store, utc_now() + DEFAULT_RETENTION + SOON
    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(lambda _: sweep(store, late), range(2)))

    assert sum(counts) == 1
    assert reasons(store) == ["retention"]


def many_of(recorded: rig.Recorded, count: int) -> None:
    row = dict(recorded.row._mapping)
    with transaction(recorded.store.engine) as connection:
        connection.execute(
            recordings.insert(), [{**row, "id": f"rec_{n:032x}"} for n in range(count)]
        )


def test_a_sweep_after_a_long_stop_takes_all_in_batches(
    recorded: rig.Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("askfirst.server.sweep.BATCH", 10)
    many_of(recorded, 35)

    assert sweep(recorded.store, utc_now() + 10 * DEFAULT_RETENTION) == 36
    (made,) = rig.rows(recorded.store, sa.select(sweeps))
    assert (made.intended, made.failed, made.person) == (36, 0, None)


def test_a_recording_that_fails_stops_no_other(
    recorded: rig.Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_of(recorded, 2)
    intend = erasure.intend

    def failing(store: Store, connection: sa.Connection, recording: str, *rest: Any) -> None:
        intend(store, connection, recording, *rest)
        if recording == recorded.id:
            raise Unavailable("the disk does not answer")

    monkeypatch.setattr("askfirst.server.erasure.intend", failing)
    assert sweep(recorded.store, utc_now() + DEFAULT_RETENTION + SOON) == 2

    assert recorded.id not in {
        row.recording for row in rig.rows(recorded.store, sa.select(erasures))
    }
    assert rig.rows(recorded.store, sa.select(sweeps))[0].failed == 1


def test_a_duty_that_nobody_knows_keeps_a_recording(recorded: rig.Recorded) -> None:
    rig.change(recorded.store, recorded.id, mandatory="of-another-time")

    assert sweep(recorded.store, utc_now() + timedelta(days=36_500)) == 0
    assert recorded.row.mandatory == "of-another-time"


def test_years_that_an_authority_asked_for_are_waited_for(recorded: rig.Recorded) -> None:
    rig.change(recorded.store, recorded.id, mandatory="mifid2")
    asked = {"mifid2": {"years": 7, "asked_by": "Finanstilsynet"}}
    with transaction(recorded.store.engine) as connection:
        account.change(connection, {"mandatory_years": asked}, None, utc_now())

    assert sweep(recorded.store, utc_now() + timedelta(days=6 * 366)) == 0
    assert sweep(recorded.store, utc_now() + timedelta(days=7 * 366)) == 1


def test_a_rule_that_wants_a_recording_kept_blocks_its_erasure(recorded: rig.Recorded) -> None:
    until = utc_now() + timedelta(days=400)
    rig.change(recorded.store, recorded.id, kept_until=until, kept_by="HU.service-period")

    assert sweep(recorded.store, until - SOON) == 0
    with transaction(recorded.store.engine) as connection:
        with pytest.raises(Refused, match=r"HU\.service-period"):
            erasure.ensure_may_go(connection, recorded.id, until - SOON)
        erasure.ensure_may_go(connection, recorded.id, until)
    assert sweep(recorded.store, until) == 1
