"""Somebody with the database, and even with the key, changes the past: each time it is named."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.server import rig

from askfirst import ledger, merkle
from askfirst.errors import InvalidInput, Unverified
from askfirst.ledger import Kind
from askfirst.server.database import calls, transaction
from askfirst.server.ledger import KEY_NAME
from askfirst.server.store import Store
from askfirst.verify import VerificationError, verify

CALL = "call_" + "4" * 32
SIZE = 9
EARLY = 4
"""The size of an earlier checkpoint."""


def grow(store: Store, count: int) -> None:
    with transaction(store.engine) as connection:
        for number in range(count):
            store.ledger.append(
                connection, Kind.RETENTION_SWEPT, rig.AT, data={"erased_count": number}
            )


@pytest.fixture
def grown(store: Store) -> Store:
    """A ledger of nine entries with checkpoints at 4 and 9."""
    grow(store, EARLY)
    store.ledger.checkpoint(rig.AT)
    grow(store, SIZE - EARLY)
    store.ledger.checkpoint(rig.AT)
    return store


class Database:
    """The database file in the hands of somebody who can write it."""

    def __init__(self, store: Store) -> None:
        store.engine.dispose()
        self._path = store.folder / "askfirst.db"

    def do(self, statement: str, *values: object) -> None:
        connection = sqlite3.connect(self._path)
        connection.execute(statement, values)
        connection.commit()
        connection.close()

    def entries(self) -> list[str]:
        connection = sqlite3.connect(self._path)
        found = connection.execute("SELECT entry FROM ledger_entries ORDER BY position").fetchall()
        connection.close()
        return [text for (text,) in found]

    def write(self, position: int, text: str) -> None:
        """An entry with its leaf, as a careful forger writes it."""
        leaf = merkle.leaf_hash(text.encode())
        self.do(
            "UPDATE ledger_entries SET entry = ?, leaf = ? WHERE position = ?", text, leaf, position
        )

    def rebuild_head(self) -> merkle.Frontier:
        """The head that fits the entries as they are now."""
        frontier = merkle.Frontier()
        for text in self.entries():
            frontier = frontier.append(merkle.leaf_hash(text.encode()))
        self.do(
            "UPDATE ledger_head SET size = ?, frontier = ?",
            frontier.size,
            json.dumps(frontier.to_list()),
        )
        return frontier

    def sign(self, key: Ed25519PrivateKey, frontier: merkle.Frontier) -> None:
        """A checkpoint over the entries as they are now, in place of the one of their size."""
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        point = ledger.Checkpoint(KEY_NAME, frontier.size, frontier.root)
        note = ledger.sign_note(point, KEY_NAME, public, key.sign)
        self.do("UPDATE checkpoints SET note = ? WHERE size = ?", note, frontier.size)


def own_key(store: Store) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(store.keys.signing_seed())


def wrong(store: Store, *pinned: str) -> str:
    """What the check says."""
    with pytest.raises(Unverified) as caught:
        store.ledger.verify(pinned)
    return str(caught.value)


def changed(text: str) -> str:
    assert '"erased_count":' in text
    return text.replace('"erased_count":', '"erased_count":7', 1)


def test_one_byte_of_an_entry(grown: Store) -> None:
    database = Database(grown)
    database.do(
        "UPDATE ledger_entries SET entry = replace(entry, '2026', '2027') WHERE position = 2"
    )

    assert wrong(grown) == "ledger entry 2 was changed after it was written"


@pytest.mark.parametrize(("position", "range_"), [(1, "entries 0 to 3"), (6, "entries 4 to 8")])
def test_an_entry_with_its_leaf_recomputed(grown: Store, position: int, range_: str) -> None:
    database = Database(grown)
    database.write(position, changed(database.entries()[position]))
    database.rebuild_head()

    said = wrong(grown)

    assert range_ in said
    assert "changed or exchanged" in said
    assert f"checkpoint at size {EARLY if position < EARLY else SIZE}" in said


def test_an_entry_that_no_checkpoint_covers_yet(grown: Store) -> None:
    grow(grown, 2)
    database = Database(grown)
    database.write(SIZE + 1, changed(database.entries()[SIZE + 1]))

    assert "head does not fit the entries: something in entries 9 to 10" in wrong(grown)


def test_two_entries_exchanged_text_for_text(grown: Store) -> None:
    database = Database(grown)
    texts = database.entries()
    for position, other in ((5, 6), (6, 5)):
        database.do(
            "UPDATE ledger_entries SET entry = ? WHERE position = ?", texts[other], position
        )

    assert wrong(grown) == (
        "ledger entry 5 was changed after it was written: it has the text of entry 6"
    )


def test_two_entries_exchanged_with_their_leaves(grown: Store) -> None:
    database = Database(grown)
    texts = database.entries()
    database.write(5, texts[6])
    database.write(6, texts[5])
    database.rebuild_head()

    assert "something in entries 4 to 8 was changed or exchanged" in wrong(grown)


def test_the_last_entries_removed_and_the_head_adjusted(grown: Store) -> None:
    database = Database(grown)
    database.do("DELETE FROM ledger_entries WHERE position >= 6")
    database.rebuild_head()

    assert "there are 6, so entries 6 to 8 were removed" in wrong(grown)


def test_the_last_entries_removed_with_their_checkpoints(grown: Store) -> None:
    pinned = grown.ledger.checkpoint(rig.AT)
    database = Database(grown)
    database.do("DELETE FROM ledger_entries WHERE position >= 6")
    database.do("DELETE FROM checkpoints WHERE size > 6")
    database.rebuild_head()

    assert grown.ledger.verify().size == 6
    assert "entries 6 to 8 were removed, or an older copy was put back" in wrong(grown, pinned)


def test_the_database_put_back_to_an_older_copy(store: Store, tmp_path: Path) -> None:
    grow(store, EARLY)
    store.ledger.checkpoint(rig.AT)
    store.engine.dispose()
    shutil.copy(store.folder / "askfirst.db", tmp_path / "older.db")
    grow(store, SIZE - EARLY)
    pinned = store.ledger.checkpoint(rig.AT)
    store.engine.dispose()
    for path in store.folder.glob("askfirst.db*"):
        path.unlink()
    shutil.copy(tmp_path / "older.db", store.folder / "askfirst.db")

    assert store.ledger.verify().size == EARLY, "by itself an older copy is whole"
    assert "an older copy was put back" in wrong(store, pinned)


def test_a_checkpoint_signed_again_with_another_key(grown: Store) -> None:
    database = Database(grown)
    database.sign(Ed25519PrivateKey.generate(), database.rebuild_head())

    said = wrong(grown)

    assert f"checkpoint at size {SIZE} does not hold" in said
    assert f"no signature of {KEY_NAME}" in said


def test_a_checkpoint_with_a_damaged_signature(grown: Store) -> None:
    database = Database(grown)
    note = grown.ledger.checkpoint(rig.AT)
    body, _, line = note.rpartition(" ")
    swapped = line[:20] + ("A" if line[20] != "A" else "B") + line[21:]
    database.do("UPDATE checkpoints SET note = ? WHERE size = ?", f"{body} {swapped}", SIZE)

    assert f"checkpoint at size {SIZE} does not hold" in wrong(grown)


def test_a_history_rewritten_by_who_has_the_key_is_revealed_by_a_checkpoint_elsewhere(
    grown: Store,
) -> None:
    pinned = grown.ledger.checkpoint(rig.AT)
    database = Database(grown)
    database.write(6, changed(database.entries()[6]))
    database.sign(own_key(grown), database.rebuild_head())

    assert grown.ledger.verify().size == SIZE, "the ledger agrees with itself"
    assert "the history before entry 9 was rewritten" in wrong(grown, pinned)


def test_a_pinned_checkpoint_of_another_ledger_is_named(grown: Store, tmp_path: Path) -> None:
    other = Store.open(tmp_path / "other")
    grow(other, 2)
    note = other.ledger.checkpoint(rig.AT)
    other.close()

    assert "kept elsewhere, of size 2, is not of this ledger" in wrong(grown, note)


def test_pinned_checkpoints_that_hold_are_counted(grown: Store) -> None:
    note = grown.ledger.checkpoint(rig.AT)

    assert grown.ledger.verify([note, note]).pinned == 2


def test_a_pinned_text_that_is_no_checkpoint_is_refused(grown: Store) -> None:
    with pytest.raises(InvalidInput):
        grown.ledger.verify(["hello\n"])


def test_a_file_of_checkpoints_is_read_note_by_note(grown: Store) -> None:
    note = grown.ledger.checkpoint(rig.AT)

    assert ledger.split_notes(f"{note}\n{note}\n") == (note, note)
    assert ledger.split_notes(note.replace("\n", "\r\n")) == (note,)
    for text in ("", "\n\n", "one\n\ntwo\n\nthree\n"):
        with pytest.raises(InvalidInput):
            ledger.split_notes(text)


# The same on the way out: no evidence of a call is made of a ledger that does not hold. What is
# changed in a bundle after it was made is in tests/unit/test_verify.py.


@pytest.fixture
def called(grown: Store) -> Store:
    """A ledger that has entries of a call, too: 9 to 11, under a checkpoint at 12."""
    row = {"provider": "t", "direction": "outbound", "language": "en", "policy": {}, "proof": 0}
    with transaction(grown.engine) as connection:
        connection.execute(calls.insert().values(id=CALL, created_at=rig.AT, **row))
        for kind in (Kind.CALL_STARTED, Kind.CALL_ANSWERED, Kind.CALL_ENDED):
            grown.ledger.append(connection, kind, rig.AT, call=CALL)
    grown.ledger.checkpoint(rig.AT)
    return grown


def bundle_says(store: Store, key: str) -> str:
    """What making the evidence of now says, or the verifier of it."""
    with pytest.raises((VerificationError, Unverified)) as caught:
        verify(store.ledger.bundle(CALL, rig.AT), key)
    return str(caught.value)


def test_the_evidence_of_an_untouched_ledger_holds(called: Store) -> None:
    report = verify(called.ledger.bundle(CALL, rig.AT), called.ledger.verifier_key)

    assert [entry.index for entry in report.entries] == [9, 10, 11]


def test_one_byte_of_an_entry_is_named_in_the_evidence(called: Store) -> None:
    Database(called).do(
        "UPDATE ledger_entries SET entry = replace(entry, '2026', '2027') WHERE position = 10"
    )

    assert "inclusion of entry 10 in 12" in bundle_says(called, called.ledger.verifier_key)


def test_two_entries_exchanged_are_named_in_the_evidence(called: Store) -> None:
    database = Database(called)
    one, two = database.entries()[9:11]
    database.write(9, two)
    database.write(10, one)

    assert "checkpoint of size 12: expected" in bundle_says(called, called.ledger.verifier_key)


def test_a_checkpoint_signed_again_is_named_in_the_evidence(called: Store) -> None:
    database = Database(called)
    database.sign(Ed25519PrivateKey.generate(), database.rebuild_head())

    said = bundle_says(called, called.ledger.verifier_key)

    assert "the checkpoint of size 12 has another key" in said


def test_entries_removed_under_a_kept_checkpoint_are_named_in_the_evidence(called: Store) -> None:
    database = Database(called)
    database.do("DELETE FROM ledger_entries WHERE position >= 11")
    database.rebuild_head()

    with pytest.raises((VerificationError, InvalidInput), match=r"\b1[12]\b"):
        verify(called.ledger.bundle(CALL, rig.AT), called.ledger.verifier_key)


def test_an_older_copy_has_no_checkpoint_of_the_size_that_was_kept(
    called: Store, tmp_path: Path
) -> None:
    """By itself it is whole: what reveals it is the checkpoint that somebody else has."""
    called.engine.dispose()
    shutil.copy(called.folder / "askfirst.db", tmp_path / "older.db")
    grow(called, 2)
    pinned = called.ledger.checkpoint(rig.AT)
    called.engine.dispose()
    for path in called.folder.glob("askfirst.db*"):
        path.unlink()
    shutil.copy(tmp_path / "older.db", called.folder / "askfirst.db")

    report = verify(called.ledger.bundle(CALL, rig.AT), called.ledger.verifier_key)

    assert report.sizes[-1] == 12 < ledger.parse_note(pinned)[0].size
    assert "entries 12 to 13 were removed, or an older copy was put back" in wrong(called, pinned)
