"""The retention sweep: what is due goes, what must stay stays."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.rig import BYE, KEYED

from askfirst.server import erasure
from askfirst.server.clock import utc_now
from askfirst.server.database import erasures
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
