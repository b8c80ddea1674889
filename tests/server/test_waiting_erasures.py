"""An erasure that cannot be now is not lost: it comes with the release, or with the call's end."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.rig import AT, BYE, KEYED, Recorded

from askfirst.clock import LoopClock
from askfirst.gate import State
from askfirst.retention import Mandatory, mandatory_until
from askfirst.server import account, erasure, legalholds, subjectrights
from askfirst.server.accounts import User
from askfirst.server.database import calls, parties, reading, transaction
from askfirst.server.node import Node
from askfirst.server.store import Store
from askfirst.server.sweep import sweep


def asked(store: Store, number: str = rig.NORWAY) -> subjectrights.Erased:
    with reading(store.engine) as connection:
        person = subjectrights.who(connection, number=number)
    return subjectrights.erase_person(store, person, None, AT, dry_run=False)


def numbers(store: Store) -> set[str]:
    found = rig.rows(store, sa.select(parties.c.number).where(parties.c.number.is_not(None)))
    return {row.number for row in found}


def outcomes(found: subjectrights.Erased) -> list[str]:
    return [item["outcome"] for item in found["items"]]


def test_what_was_asked_for_under_a_hold_goes_when_the_hold_is_released(
    recorded: Recorded, kari: User
) -> None:
    store = recorded.store
    before = store.keys.salt(f"{recorded.call}/1")
    legalholds.place(store, recorded.id, kari.id, "court order", AT)
    assert outcomes(asked(store)) == ["held"]
    assert erasure.carry_out(store, AT) == 0
    assert numbers(store) == {rig.NORWAY}, "held with the recording"

    legalholds.release(store, recorded.id, kari.id, "court done", AT)

    assert recorded.row.state == "erased"
    assert store.blobs.names() == []
    assert numbers(store) == set()
    assert store.keys.salt(f"{recorded.call}/1") != before
    assert rig.kinds(store)[-3:] == [
        "legal-hold.released", "erasure.intended", "recording.erased"
    ]  # fmt: skip


def test_a_hold_that_is_released_erases_nothing_that_nobody_asked_to_erase(
    recorded: Recorded, kari: User
) -> None:
    legalholds.place(recorded.store, recorded.id, kari.id, "court order", AT)
    legalholds.release(recorded.store, recorded.id, kari.id, "court done", AT)
    recorded.node.jobs.wait()
    erasure.carry_out(recorded.store, AT)

    assert recorded.row.state == "ready"
    assert numbers(recorded.store) == {rig.NORWAY}


def test_a_disk_that_fails_at_the_release_delays_the_erasure_and_does_not_lose_it(
    recorded: Recorded, kari: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = recorded.store
    legalholds.place(store, recorded.id, kari.id, "court order", AT)
    asked(store)
    with monkeypatch.context() as broken:
        broken.setattr(erasure, "remove_folder", _no_disk)
        legalholds.release(store, recorded.id, kari.id, "court done", AT)
    assert recorded.row.state == "quarantined"

    recorded.node.jobs.wait()

    assert recorded.row.state == "erased"
    assert numbers(store) == set()


def test_a_withdrawal_under_a_hold_goes_with_its_release_and_keeps_its_reason(
    recorded: Recorded, kari: User
) -> None:
    store = recorded.store
    legalholds.place(store, recorded.id, kari.id, "court order", AT)
    with transaction(store.engine) as connection:
        erasure.intend(store, connection, recorded.id, "withdrawn", AT)

    legalholds.release(store, recorded.id, kari.id, "court done", AT)

    entries = [entry for _, entry in store.ledger.entries() if entry["kind"] == "erasure.intended"]
    assert [entry["data"] for entry in entries] == [{"reason": "withdrawn"}]
    assert recorded.row.state == "erased"
    assert numbers(store) == {rig.NORWAY}, "nobody asked for that"


def test_a_duty_that_has_run_lets_go_what_was_asked_for(recorded: Recorded) -> None:
    store = recorded.store
    ended = rig.call_row(store, recorded.call).ended_at
    over = mandatory_until(ended, Mandatory("cftc")) + timedelta(days=1)
    rig.change(store, recorded.id, mandatory="cftc", expires_at=over + timedelta(days=3650))
    assert outcomes(asked(store)) == ["mandatory"]

    sweep(store, over - timedelta(days=2))
    assert erasure.carry_out(store, AT) == 0
    assert sweep(store, over) == 0, "its own time is not over"
    assert erasure.carry_out(store, AT) == 1

    assert recorded.row.state == "erased"
    assert numbers(store) == set()


def test_what_was_asked_for_during_a_call_goes_at_its_end(node: Node, tmp_path: Path) -> None:
    found: list[subjectrights.Erased] = []

    async def ask(call: rig.Watched, _leg: object, clock: LoopClock) -> None:
        await rig.until(call, clock, lambda facts: facts.state is State.OPEN)
        await clock.sleep_until(clock.now_ms() + 500)
        found.append(asked(node.store))
        node.jobs.dispatch()
        assert rig.spool_files(node.store) != [], "not torn out of a running call"

    persona = rig.callee(tmp_path / "callee", *KEYED, BYE)
    call = rig.virtually(node.store, persona, act=ask, on_outbox=node.jobs.dispatch)
    node.jobs.wait()

    assert outcomes(found[0]) == ["running"]
    assert rig.call_row(node.store, call.id).outcome == "erased"
    assert rig.spool_files(node.store) == []
    assert node.store.blobs.names() == []
    assert [key for key in rig.key_ids(node.store) if key.startswith("rec_")] == []
    assert numbers(node.store) == set()


def test_a_number_on_a_running_call_without_a_recording_is_forgotten_later(
    recorded: Recorded,
) -> None:
    store = recorded.store
    asked_for = recorded.call
    with transaction(store.engine) as connection:
        erasure.intend(store, connection, recorded.id, "request", AT)
    erasure.erase(store, recorded.id, AT)
    with transaction(store.engine) as connection:
        connection.execute(calls.update().values(ended_at=None))
    assert asked(store)["forgotten_in"] == 0
    erasure.carry_out(store, AT)
    assert numbers(store) == {rig.NORWAY}

    with transaction(store.engine) as connection:
        connection.execute(calls.update().where(calls.c.id == asked_for).values(ended_at=AT))
    erasure.carry_out(store, AT)

    assert numbers(store) == set()


@pytest.mark.parametrize(
    "typed", ["+47 22 33 44 55", "22 33 44 55", "0047 22334455", "２２３３４４５５"]
)
def test_a_number_is_found_and_forgotten_however_it_was_typed(
    recorded: Recorded, kari: User, typed: str
) -> None:
    store = recorded.store
    with transaction(store.engine) as connection:
        account.change(connection, {"home_place": "NO"}, None, AT)
        connection.execute(
            parties.update().where(parties.c.number.is_not(None)).values(number=typed)
        )
        decision = connection.execute(sa.select(calls.c.decision)).scalar_one()
        people = [{**each, "number": each["number"] and typed} for each in decision["parties"]]
        connection.execute(calls.update().values(decision={**decision, "parties": people}))

    found = asked(store, "+4722334455")

    assert outcomes(found) == ["erased"]
    assert (found["calls"], found["forgotten_in"]) == (1, 1)
    assert numbers(store) == set()
    for path in store.folder.glob("askfirst.db*"):
        assert typed.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("typed", ["+46 22 33 44 55", "22 33 44 56", "32 33 44 55", "4455"])
def test_the_number_of_somebody_else_is_left_alone(
    recorded: Recorded, kari: User, typed: str
) -> None:
    store = recorded.store
    with transaction(store.engine) as connection:
        account.change(connection, {"home_place": "NO"}, None, AT)
        connection.execute(
            parties.update().where(parties.c.number.is_not(None)).values(number=typed)
        )

    with pytest.raises(Exception, match="nothing was erased"):
        asked(store, "+4722334455")

    assert numbers(store) == {typed}


def _no_disk(_folder: Path) -> None:
    raise OSError("no disk")
