"""Erasing: key, bytes, rows; the proof stays, and what must be kept is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.rig import BYE, HELLO, KEYED

from askfirst.errors import NotFound, Refused
from askfirst.server import contacts, erasure, forgetting
from askfirst.server.contactcard import Draft, Number
from askfirst.server.database import consents, erasures, outbox, parties, transaction
from askfirst.server.store import Store


def intend(store: Store, recording: str) -> None:
    with transaction(store.engine) as connection:
        erasure.intend(store, connection, recording, "request", rig.AT)


def test_an_erasure_takes_keys_objects_and_rows_and_leaves_the_proof(
    recorded: rig.Recorded,
) -> None:
    store = recorded.store
    assert {name.split("/")[1].split("-")[0] for name in store.blobs.names()} >= {"audio"}
    proof = [kind for kind in rig.kinds(store) if kind.startswith("consent")]

    intend(store, recorded.id)
    erasure.erase(store, recorded.id, rig.AT)

    assert store.blobs.names() == []
    assert [key for key in rig.key_ids(store) if key.startswith(recorded.id)] == []
    assert (recorded.row.state, recorded.row.duration_ms) == ("erased", None)
    assert [kind for kind in rig.kinds(store) if kind.startswith("consent")] == proof
    assert rig.kinds(store)[-2:] == ["erasure.intended", "recording.erased"]
    assert len(rig.rows(store, sa.select(consents))) == 1
    assert store.ledger.verify().size == len(rig.kinds(store))


def test_the_bytes_of_a_destroyed_key_are_in_no_file(recorded: rig.Recorded) -> None:
    store = recorded.store
    folder = store.folder / "keys"
    names = [key for key in rig.key_ids(store) if key.startswith(recorded.id)]
    assert names
    assert any(names[0].encode() in path.read_bytes() for path in folder.iterdir())

    intend(store, recorded.id)
    erasure.erase(store, recorded.id, rig.AT)

    for path in folder.iterdir():
        data = path.read_bytes()
        assert all(name.encode() not in data for name in names), path


def test_a_call_whose_last_recording_goes_is_erased(recorded: rig.Recorded) -> None:
    assert rig.call_row(recorded.store, recorded.call).outcome == "recorded"

    intend(recorded.store, recorded.id)
    assert rig.call_row(recorded.store, recorded.call).outcome == "recorded"
    erasure.erase(recorded.store, recorded.id, rig.AT)

    row = rig.call_row(recorded.store, recorded.call)
    assert row.outcome == "erased"
    assert "erased" in row.outcome_reason


def test_a_call_that_still_has_a_recording_is_not_erased(store: Store, tmp_path: Path) -> None:
    again = (*KEYED, 'do="objects"', HELLO, 'do="agreed"', HELLO, HELLO, BYE)
    persona = rig.callee(tmp_path / "callee", *again, number=rig.CALIFORNIA)
    call = rig.virtually(store, persona)
    assert rig.call_row(store, call.id).outcome == "recorded"

    assert erasure.carry_out(store, rig.AT) == 1

    assert rig.call_row(store, call.id).outcome == "recorded"
    assert sorted(row.state for row in rig.recording_rows(store)) == ["erased", "spool"]
    assert rig.starts(rig.spool(store, call), "contact")


def test_erasing_twice_is_erasing_once(recorded: rig.Recorded) -> None:
    intend(recorded.store, recorded.id)
    intend(recorded.store, recorded.id)
    erasure.erase(recorded.store, recorded.id, rig.AT)
    erasure.erase(recorded.store, recorded.id, rig.AT)

    assert rig.kinds(recorded.store).count("recording.erased") == 1
    assert rig.kinds(recorded.store).count("erasure.intended") == 1


def test_what_nobody_intended_is_not_erased(recorded: rig.Recorded) -> None:
    with pytest.raises(NotFound, match="nothing was erased"):
        erasure.erase(recorded.store, recorded.id, rig.AT)
    with pytest.raises(NotFound):
        intend(recorded.store, "rec_" + "0" * 32)

    assert recorded.node.playback.play(recorded.id, person="p", purpose="q")


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [("legal_hold", True, "legal-hold"), ("mandatory", "mifid2", "mifid2")],
)
def test_what_must_stay_is_quarantined_instead(
    recorded: rig.Recorded, field: str, value: object, reason: str
) -> None:
    rig.change(recorded.store, recorded.id, **{field: value})

    intend(recorded.store, recorded.id)
    intend(recorded.store, recorded.id)

    assert recorded.row.state == "quarantined"
    assert rig.rows(recorded.store, sa.select(erasures)) == []
    entries = [
        entry["data"]
        for _, entry in recorded.store.ledger.entries()
        if entry["kind"] == "recording.quarantined"
    ]
    assert entries == [{"reason": reason}]
    assert len(recorded.store.blobs.names()) >= 1


def test_a_hold_placed_after_the_intention_still_holds_until_it_is_released(
    recorded: rig.Recorded,
) -> None:
    store = recorded.store
    intend(store, recorded.id)
    rig.change(store, recorded.id, legal_hold=True)

    with pytest.raises(Refused, match="hold"):
        erasure.erase(store, recorded.id, rig.AT)
    assert erasure.carry_out(store, rig.AT) == 0
    assert store.blobs.names() != []

    rig.change(store, recorded.id, legal_hold=False)
    assert erasure.carry_out(store, rig.AT) == 1
    assert store.blobs.names() == []


def test_reason_intention_and_order_are_one_transaction(recorded: rig.Recorded) -> None:
    store = recorded.store
    before = rig.kinds(store)

    def half() -> None:
        with transaction(store.engine) as connection:
            erasure.intend(store, connection, recorded.id, "request", rig.AT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()

    assert rig.kinds(store) == before
    assert rig.rows(store, sa.select(erasures)) == []
    orders = rig.rows(store, sa.select(outbox).where(outbox.c.kind == "erase"))
    assert orders == []


def test_salts_of_the_parties_outlive_the_recording(recorded: rig.Recorded) -> None:
    before = recorded.store.keys.salt(f"{recorded.call}/1")

    intend(recorded.store, recorded.id)
    erasure.erase(recorded.store, recorded.id, rig.AT)

    assert recorded.store.keys.salt(f"{recorded.call}/1") == before


def test_a_person_who_is_forgotten_leaves_no_number_and_no_salt(recorded: rig.Recorded) -> None:
    store = recorded.store
    before = store.keys.salt(f"{recorded.call}/1")
    with store.engine.begin() as connection:
        contact = contacts.add(connection, Draft("Anna", numbers=(Number(rig.NORWAY),)), rig.AT)
    assert forgetting.forget(store, [rig.NORWAY]).calls == 0, "not while a recording is there"
    with store.engine.connect() as connection, pytest.raises(NotFound):
        contacts.get(connection, contact)
    intend(store, recorded.id)
    erasure.erase(store, recorded.id, rig.AT)

    assert store.keys.salt(f"{recorded.call}/1") != before
    numbers = [row.number for row in rig.rows(store, sa.select(parties))]
    assert numbers == [None, None]
    decision = rig.call_row(store, recorded.call).decision
    assert rig.NORWAY not in json.dumps(decision)
    assert decision["mode"] == "ask", "the decision itself stays"
    assert forgetting.forget(store, [rig.NORWAY]).calls == 0
    assert store.ledger.verify().size == len(rig.kinds(store))
    for path in store.folder.glob("askfirst.db*"):
        assert rig.NORWAY.encode() not in path.read_bytes()


def test_the_spool_goes_even_when_the_key_store_does_not_answer(
    store: Store, tmp_path: Path
) -> None:
    call = rig.virtually(store, rig.callee(tmp_path / "callee", *KEYED, BYE))
    with store.keys._engine.connect() as lock:
        lock.exec_driver_sql("PRAGMA query_only=ON")
    store.keys.close()
    (store.folder / "keys" / "keys.db").rename(tmp_path / "elsewhere")
    (store.folder / "keys" / "keys.db").mkdir()

    with pytest.raises(Exception, match="key store"):
        erasure.destroy(store, call.recordings[0])

    assert rig.spool_files(store) == []
