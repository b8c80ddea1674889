"""What was answered is on the disk, and a crash loses none of it."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from tests.server import twiliorig
from tests.server.twiliocrash import STATES
from tests.server.twiliorig import Recorded, call_sid

from askfirst.errors import Unavailable
from askfirst.server import twiliospool
from askfirst.server.database import reading, transaction
from askfirst.server.store import Store
from askfirst.server.twilioevents import FOLDER, Intake
from askfirst.server.twiliojournal import Event
from askfirst.server.twiliospool import EventSpool, _line, _read
from askfirst.server.twiliotables import twilio_events
from askfirst.telephony.twiliosignature import Signed

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 11, 29, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
EVENTS = st.builds(
    Event, TEXT, TEXT, TEXT, st.none() | st.integers(0, 999_999), TEXT,
    st.dictionaries(TEXT, TEXT, max_size=3),
    st.datetimes(timezones=st.just(UTC)),
)  # fmt: skip


def event(number: int) -> Event:
    """One event of a call."""
    return Event(f"k{number}", f"m{number}", call_sid(1), number, "ringing", {"a": "b"}, AT)


def keys(events: Sequence[Event]) -> list[str]:
    return [each.key for each in events]


def test_what_was_answered_while_the_database_was_busy_survives_a_kill(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    twiliorig.set_up(store)
    store.close()
    process = subprocess.Popen(  # noqa: S603 - our own
        [sys.executable, "-m", "tests.server.twiliocrash", tmp_path],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "answered\n"
    process.kill()
    process.wait(30)
    process.stdout.close()
    store, calls = Store.open(tmp_path), Recorded()
    with reading(store.engine) as connection:
        assert connection.execute(sa.select(twilio_events)).all() == []

    async def start_anew() -> None:
        async with Intake(store, lambda: calls).running():
            await asyncio.to_thread(calls.wait_for, 4)

    asyncio.run(start_anew())

    assert calls.states(call_sid(1)) == list(STATES)
    assert list((tmp_path / FOLDER).iterdir()) == [], "nothing stays behind"
    store.close()


def test_a_disk_that_takes_no_event_is_said_and_the_event_is_handed_on_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(EventSpool, "add", fails)
    store, calls = Store.open(tmp_path), Recorded()

    async def take() -> None:
        intake = Intake(store, lambda: calls)
        async with intake.running():
            with transaction(store.engine):
                fields = {"CallSid": call_sid(1), "CallStatus": "ringing", "SequenceNumber": "0"}
                await intake.progress(Signed(tuple(fields.items()), "a" * 64))
            await asyncio.to_thread(calls.wait_for, 1)

    with caplog.at_level(logging.ERROR):
        asyncio.run(take())

    assert calls.states(call_sid(1)) == ["ringing"]
    assert "twilio.spool-failed" in caplog.text
    store.close()


def test_a_file_is_taken_up_once_and_only_after_the_process_that_had_it(tmp_path: Path) -> None:
    first, second, third = (EventSpool(tmp_path / "twilio") for _ in range(3))
    assert first.open() == []
    first.add([event(1), event(2)])
    assert second.open() == [], "its process lives"

    first.close(is_done=False)
    assert keys(third.open()) == ["k1", "k2"]
    third.clear()
    third.close(is_done=True)
    second.close(is_done=True)

    last = EventSpool(tmp_path / "twilio")
    assert last.open() == []
    last.close(is_done=True)
    assert list((tmp_path / "twilio").iterdir()) == []


def test_a_file_that_is_full_takes_no_more_and_keeps_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twiliospool, "SIZE", 3 * len(_line(event(1))))
    spool, after = EventSpool(tmp_path / "twilio"), EventSpool(tmp_path / "twilio")
    spool.open()
    spool.add([event(1), event(2), event(3)])
    with pytest.raises(OSError, match="full"):
        spool.add([event(4)])
    spool.close(is_done=False)
    assert keys(after.open()) == ["k1", "k2", "k3"]
    after.close(is_done=True)


def test_what_was_taken_up_and_is_not_in_the_database_stays(tmp_path: Path) -> None:
    before, after, last = (EventSpool(tmp_path / "twilio") for _ in range(3))
    before.open()
    before.add([event(1)])
    before.close(is_done=False)
    after.open()
    after.close(is_done=False)
    assert keys(last.open()) == ["k1"]
    last.close(is_done=True)


@given(st.lists(EVENTS, max_size=4))
def test_events_come_out_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event]
) -> None:
    path = tmp_path_factory.getbasetemp() / "whole.events"
    path.write_bytes(b"".join(map(_line, events)))
    assert _read(path) == events


@given(st.binary(max_size=200), st.integers(0, 80))
def test_garbage_is_passed_over_and_what_is_whole_before_it_is_not(
    tmp_path_factory: pytest.TempPathFactory, garbage: bytes, cut: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "broken.events"
    path.write_bytes(_line(event(1)) + _line(event(2))[: cut - 100] + b"\n" + garbage)
    assert keys(_read(path))[:1] == ["k1"]


def test_an_event_that_comes_while_the_program_ends_is_refused_and_none_before_it_is_lost(
    tmp_path: Path,
) -> None:
    store, calls = Store.open(tmp_path), Recorded()

    def signed(number: int) -> Signed:
        fields = {
            "CallSid": call_sid(1),
            "CallStatus": STATES[number],
            "SequenceNumber": str(number),
        }
        return Signed(tuple(fields.items()), f"{number:064x}")

    async def end() -> None:
        intake = Intake(store, lambda: calls)
        async with intake.running():
            late = asyncio.create_task(intake.progress(signed(0)))
            await asyncio.sleep(0)
        await late
        with pytest.raises(Unavailable, match="ending"):
            await intake.progress(signed(1))

    asyncio.run(end())
    assert calls.states(call_sid(1)) == [STATES[0]]
    store.close()
