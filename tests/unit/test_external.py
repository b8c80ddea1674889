"""The written side of a call that somebody else's dialer carries."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from askfirst import Party, decide, gate
from askfirst.errors import Unavailable
from askfirst.model import FRAME_BYTES, FRAME_MS, Form, Frame, OutcomeCode, Proof
from askfirst.server.database import calls, erasures, outbox, reading, recordings, timeline
from askfirst.server.external import ExternalCall
from askfirst.server.request import CallRequest
from askfirst.server.store import Store


class Carried:
    """A call as its carrier has it: facts of its own, reported in the order that is asked for."""

    def __init__(self, store: Store, **wishes: bool) -> None:
        request = CallRequest("+4791234567", ("NO",), provider="own", **wishes)  # type: ignore[arg-type]
        parties = [Party.agent("NO"), Party.contact(request.number)]
        self.written = ExternalCall(store, request, decide(parties, datetime.now(UTC).date()))
        self.facts = gate.Facts()
        for event in (*self.written.beginning(), gate.Wanted(0)):
            self.report(event)

    def take(self, event: gate.Event) -> None:
        self.facts = gate.after(self.facts, event)
        self.written.follow(self.facts)

    def report(self, event: gate.Event) -> None:
        before = self.facts.serial
        self.take(event)
        self.written.append(event)
        if self.facts.serial > before:
            self.take(gate.Sealed(event.at_ms, self.facts.serial))

    def agree(self, at_ms: int) -> None:
        for owed in self.facts.unmet():
            yes = gate.Evidence(owed.party, Form.AGREED, Proof.KEY, owed.uses, owed.elements)
            self.report(gate.Met(at_ms, yes))

    def speak(self, from_ms: int) -> list[bool]:
        return [
            self.written.recorder.push(Frame(leg, from_ms + n * FRAME_MS, bytes(FRAME_BYTES)))
            for n in range(10)
            for leg in ("agent", "contact")
        ]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "data")
    yield opened
    opened.close()


def rows(store: Store, table: sa.Table) -> list[sa.Row[*tuple[object, ...]]]:
    with reading(store.engine) as connection:
        return list(connection.execute(sa.select(table)).all())


def test_nothing_is_kept_before_the_yes_and_everything_after_it(store: Store) -> None:
    call = Carried(store)
    assert call.speak(0) == [False] * 20
    call.agree(200)
    assert call.facts.state is gate.State.OPEN
    assert call.speak(200) == [True] * 20
    call.report(gate.HungUp(400))
    assert call.written.settle().code is OutcomeCode.RECORDED
    (order,) = rows(store, outbox)
    assert (order.kind, order.ref) == ("finish", call.written.id)
    assert [row.state for row in rows(store, timeline)][-3:] == ["sealing", "open", "ended"]
    assert rows(store, calls)[0].proof == int(Proof.KEY)


def test_without_a_yes_no_recording_is_left(store: Store) -> None:
    call = Carried(store)
    call.report(gate.Refused(100, 1))
    assert call.speak(200) == [False] * 20
    call.report(gate.HungUp(400))
    assert call.written.settle().code is OutcomeCode.REFUSED
    assert rows(store, recordings) == []
    assert rows(store, outbox) == []
    assert list(store.spool.rglob("*")) == []


def test_a_withdrawal_orders_the_erasure_with_itself(store: Store) -> None:
    call = Carried(store)
    call.agree(0)
    call.speak(0)
    call.report(gate.Withdrawn(200, 1))
    assert call.speak(200) == [False] * 20
    call.report(gate.HungUp(400))
    assert call.written.settle().code is OutcomeCode.ERASED
    assert [row.recording for row in rows(store, erasures)] == [call.written.recording]
    assert [row.kind for row in rows(store, outbox)] == ["erase"]


def test_a_switch_that_is_off_blocks_the_call(store: Store) -> None:
    call = Carried(store, recording_switch=False)
    assert call.facts.because is gate.Because.SWITCHED_OFF
    call.report(gate.HungUp(400))
    assert call.written.settle().code is OutcomeCode.BLOCKED


def test_an_append_that_fails_is_raised_and_the_gate_stays_shut(store: Store) -> None:
    call = Carried(store)
    with closing(sqlite3.connect(store.folder / "askfirst.db")) as connection, connection:
        connection.execute("ALTER TABLE ledger_entries RENAME TO elsewhere")
    with pytest.raises(Unavailable):
        call.agree(0)
    call.take(gate.Failed(0))
    assert call.facts.state is gate.State.CLOSED
    assert call.speak(0) == [False] * 20


def test_a_failure_closes_the_gate_even_when_it_cannot_be_written(store: Store) -> None:
    call = Carried(store)
    call.agree(0)
    with closing(sqlite3.connect(store.folder / "askfirst.db")) as connection, connection:
        connection.execute("ALTER TABLE timeline RENAME TO elsewhere")
    call.take(gate.Failed(0))
    assert call.speak(0) == [False] * 20


def test_every_contact_has_a_leg_of_its_own(store: Store) -> None:
    decision = decide([Party.agent("NO"), Party.contact("NO"), Party.contact("SE")], ON)
    call = ExternalCall(store, CallRequest("", ("NO",)), decision)
    joined = [event for event in call.beginning() if isinstance(event, gate.PartyJoined)]
    assert [event.leg for event in joined] == ["agent", "contact", "contact-2"]


ON = datetime(2026, 11, 23, tzinfo=UTC).date()
