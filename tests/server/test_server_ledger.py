"""The ledger on the database: appended with the change or not at all, and every change shows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from tests.server import rig

from askfirst import ledger
from askfirst.errors import InvalidInput, NotFound, Unverified
from askfirst.ledger import Kind
from askfirst.server.database import ledger_entries, transaction
from askfirst.server.ledger import KEY_NAME
from askfirst.server.store import Store


def grow(store: Store, count: int) -> None:
    for _ in range(count):
        with transaction(store.engine) as connection:
            store.ledger.append(connection, Kind.RETENTION_SWEPT, rig.AT, data={"erased_count": 0})


def damage(store: Store, statement: str) -> None:
    connection = sqlite3.connect(store.folder / "askfirst.db")
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_positions_have_neither_gaps_nor_forks_under_many_writers(store: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: grow(store, 5), range(8)))

    assert [position for position, _ in store.ledger.entries()] == list(range(40))
    assert store.ledger.verify().size == 40


def test_an_entry_stands_only_with_its_change(store: Store) -> None:
    def half() -> None:
        with transaction(store.engine) as connection:
            store.ledger.append(connection, Kind.RETENTION_SWEPT, rig.AT, data={"erased_count": 1})
            raise ZeroDivisionError

    grow(store, 1)
    with pytest.raises(ZeroDivisionError):
        half()
    grow(store, 1)

    assert store.ledger.verify().size == 2


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE ledger_entries SET entry = replace(entry, '0', '7') WHERE position = 2", "2 was"),
        ("DELETE FROM ledger_entries WHERE position = 2", "missing"),
        ("DELETE FROM ledger_entries WHERE position = 4", "entries 4 to 4 were removed"),
        ("UPDATE ledger_head SET size = 4", "head"),
        ("UPDATE checkpoints SET size = 3", "checkpoint"),
    ],
)
def test_every_change_of_what_was_written_is_found(
    store: Store, statement: str, words: str
) -> None:
    grow(store, 5)
    store.ledger.checkpoint(rig.AT)
    assert store.ledger.verify().checkpoints == 1

    damage(store, statement)

    with pytest.raises(Unverified, match=words):
        store.ledger.verify()


def test_a_ledger_rewritten_as_a_whole_does_not_fit_its_checkpoint(store: Store) -> None:
    grow(store, 3)
    store.ledger.checkpoint(rig.AT)
    for table in ("ledger_entries", "ledger_head"):
        damage(store, f"DELETE FROM {table}")  # noqa: S608 - our own words
    with transaction(store.engine) as connection:
        for _ in range(3):
            store.ledger.append(connection, Kind.RETENTION_SWEPT, rig.AT, data={"erased_count": 9})

    with pytest.raises(Unverified, match="checkpoint at size 3"):
        store.ledger.verify()


def test_the_same_head_is_signed_once(store: Store) -> None:
    grow(store, 2)

    assert store.ledger.checkpoint(rig.AT) == store.ledger.checkpoint(rig.AT)
    assert store.ledger.verify().checkpoints == 1


def test_the_key_stays_the_same_over_a_restart(store: Store) -> None:
    again = Store.open(store.folder)

    assert again.ledger.verifier_key == store.ledger.verifier_key
    assert store.ledger.verifier_key.startswith(KEY_NAME)
    again.close()


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9])
def test_every_entry_is_proven_against_the_signed_head(store: Store, size: int) -> None:
    grow(store, size)

    for position in range(size):
        proof = store.ledger.prove(position, rig.AT)
        point = ledger.parse_note(str(proof["checkpoint"]))[0]
        (row,) = rig.rows(
            store, sa.select(ledger_entries).where(ledger_entries.c.position == position)
        )
        path = proof["proof"]
        assert isinstance(path, list)
        ledger.verify_inclusion(
            ledger.leaf_hash(row.entry.encode()),
            position,
            size,
            [bytes.fromhex(node) for node in path],
            point.root,
        )


@pytest.mark.parametrize("position", [-1, 3])
def test_an_entry_that_is_not_there_is_not_proven(store: Store, position: int) -> None:
    grow(store, 3)

    with pytest.raises(NotFound):
        store.ledger.prove(position, rig.AT)


@pytest.mark.parametrize(
    "append",
    [
        lambda c, s: s.ledger.append(c, Kind.CALL_STARTED, rig.AT, data={"who": "+4748750101"}),
        lambda c, s: s.ledger.append(c, Kind.CALL_STARTED, rig.AT, data={"said": "Hello, I am X"}),
    ],
)
def test_numbers_and_words_are_refused(
    store: Store, append: Callable[[sa.Connection, Store], int]
) -> None:
    def write() -> None:
        with transaction(store.engine) as connection:
            append(connection, store)

    with pytest.raises(InvalidInput):
        write()

    assert store.ledger.verify().size == 0


def test_a_bundle_of_a_call_without_entries_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound):
        store.ledger.bundle("call_" + "0" * 32, rig.AT)


def test_a_number_is_in_the_ledger_as_a_commitment_under_its_partys_salt(
    recorded: rig.Recorded,
) -> None:
    entries = [entry for _, entry in recorded.store.ledger.entries(recorded.call)]
    joined = next(e for e in entries if e["kind"] == "party.joined" and e.get("party") == 1)

    salt = recorded.store.keys.salt(f"{recorded.call}/1")
    assert joined["commits"] == {"number": ledger.commit(salt, rig.NORWAY)}
    assert rig.NORWAY[1:] not in str(entries)
