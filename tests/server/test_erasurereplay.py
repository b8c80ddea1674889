"""A restored backup brings back what was erased since; it goes again before anything is served."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.people import KARI, draft, employ, known, meet
from tests.server.rig import NORWAY

from askfirst.errors import KeyUnreadable, Refused, Unavailable
from askfirst.policy import Policy
from askfirst.server import contacts, erasure, forgetting, legalholds, objections, subjectrights
from askfirst.server.clock import utc_now
from askfirst.server.database import parties, reading, transaction
from askfirst.server.erasurelist import Listed
from askfirst.server.erasurereplay import replay, returned
from askfirst.server.node import Node
from askfirst.server.playback import Playback
from askfirst.server.store import Store
from askfirst.speech.scripted import Scripted

NAME = "Zebra Nilsen"
Kept = tuple[Path, str, str]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """A recorded call with somebody who is a contact: the data folder, call and recording."""
    node = Node.open(tmp_path / "data", Scripted())
    made = rig.record(node, tmp_path / "callee")
    meet(node.store, draft(NAME, NORWAY))
    node.close()
    return tmp_path / "data", made.call, made.id


def erase(folder: Path, number: str = NORWAY) -> None:
    node = Node.open(folder, Scripted())
    with reading(node.store.engine) as connection:
        person = subjectrights.who(connection, number=number)
    subjectrights.erase_person(node.store, person, None, utc_now(), dry_run=False)
    node.close()


def back(folder: Path, parts: tuple[str, ...], change: Callable[[], object]) -> None:
    """Keep parts of a folder, change it, and put the kept parts back."""
    saved = folder.with_name("saved")
    shutil.copytree(folder, saved)
    change()
    for part in parts:
        if (folder / part).is_dir():
            shutil.rmtree(folder / part)
            shutil.copytree(saved / part, folder / part)
        else:
            for path in folder.glob(f"{part}*"):
                path.unlink()
            shutil.copy(saved / part, folder / part)


EVERYTHING = ("askfirst.db", "keys", "objects")


def number_of(store: Store, call: str) -> str | None:
    query = sa.select(parties.c.number).where(parties.c.call == call, parties.c.role == "contact")
    with reading(store.engine) as connection:
        return connection.execute(query).scalar()


@pytest.mark.parametrize(
    "parts", [EVERYTHING, ("askfirst.db",), ("keys",), ("objects",), ("keys", "objects")]
)
def test_whatever_a_restore_brings_back_is_erased_before_anything_is_served(
    kept: Kept, parts: tuple[str, ...]
) -> None:
    folder, call, recording = kept
    back(folder, parts, lambda: erase(folder))

    node = Node.open(folder, Scripted())

    try:
        assert not returned(node.store)
        assert rig.key_ids(node.store) == []
        assert node.store.blobs.names() == []
        assert number_of(node.store, call) is None
        assert not [
            scope
            for scope in node.store.keys.scopes()
            if scope.startswith(call) and scope.endswith("/1")
        ]
        with pytest.raises(Refused):
            Playback(node.store).play(recording, person="usr_1", purpose="x")
        with pytest.raises(KeyUnreadable):
            node.store.keys.get(f"{recording}/audio")
        with reading(node.store.engine) as connection:
            assert contacts.holder(connection, NORWAY) is None
        assert "erasure.replayed" in rig.kinds(node.store)
        node.store.ledger.verify()
    finally:
        node.close()


def test_an_installation_that_was_not_restored_has_nothing_to_erase_again(kept: Kept) -> None:
    folder, _, _ = kept
    erase(folder)

    node = Node.open(folder, Scripted())

    assert "erasure.replayed" not in rig.kinds(node.store)
    node.close()


def test_what_came_of_a_later_call_with_the_person_stays(kept: Kept, tmp_path: Path) -> None:
    folder, _, _ = kept
    back(folder, EVERYTHING, lambda: erase(folder))
    node = Node.open(folder, Scripted())
    later = rig.record(node, tmp_path / "again")
    contact = meet(node.store, draft("Zora", NORWAY))
    with transaction(node.store.engine) as connection:
        contacts.change(connection, contact, draft("Zora N", NORWAY), utc_now())
    node.close()

    node = Node.open(folder, Scripted())

    assert number_of(node.store, later.call) == NORWAY
    assert known(node.store, contact).name == "Zora N"
    assert Playback(node.store).asset(later.id, "audio") is not None
    node.close()


def test_a_hold_that_was_released_before_the_erasure_does_not_bring_it_back(kept: Kept) -> None:
    folder, _, recording = kept
    node = Node.open(folder, Scripted())
    legalholds.place(node.store, recording, "usr_1", "a dispute", utc_now())
    node.close()

    def release_and_erase() -> None:
        node = Node.open(folder, Scripted())
        legalholds.release(node.store, recording, "usr_1", "settled", utc_now())
        node.close()
        erase(folder)

    back(folder, EVERYTHING, release_and_erase)
    node = Node.open(folder, Scripted())

    assert not returned(node.store)
    assert node.store.blobs.names() == []
    node.close()


def test_a_number_that_waits_for_a_hold_waits_again_and_is_kept(kept: Kept) -> None:
    folder, call, recording = kept
    node = Node.open(folder, Scripted())
    legalholds.place(node.store, recording, "usr_1", "a dispute", utc_now())
    node.close()

    back(folder, EVERYTHING, lambda: erase(folder))
    for _ in range(2):
        node = Node.open(folder, Scripted())
        kinds = rig.kinds(node.store)
        (row,) = rig.recording_rows(node.store)
        node.close()

    assert kinds.count("erasure.replayed") == 1
    assert row.state == "quarantined"
    node = Node.open(folder, Scripted())
    legalholds.release(node.store, recording, "usr_1", "settled", utc_now())
    node.jobs.wait()
    erasure.carry_out(node.store, utc_now())
    assert number_of(node.store, call) is None
    node.close()


def test_nothing_is_served_where_something_cannot_be_erased_again(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _, _ = kept
    back(folder, EVERYTHING, lambda: erase(folder))

    def refuse(*_: object) -> None:
        raise Unavailable("the disk does not answer")

    monkeypatch.setattr(erasure, "destroy", refuse)

    with pytest.raises(Unavailable):
        Node.open(folder, Scripted())


def test_somebody_who_said_never_and_was_forgotten_is_never_recorded(
    store: Store, tmp_path: Path
) -> None:
    employ(store)
    contact = meet(store, draft(NAME, NORWAY))
    with transaction(store.engine) as connection:
        contacts.never_record(connection, contact, KARI, rig.AT)
    forgetting.forget(store, [NORWAY], contact)

    with reading(store.engine) as connection:
        assert contacts.holder(connection, NORWAY) is None
        policy = objections.policy_for(store.erasures, connection, "48 75 01 03", Policy(), "NO")
        other = objections.policy_for(store.erasures, connection, "+4748750199", Policy())
    assert policy.contact_objected
    assert not other.contact_objected


def test_the_wish_is_shown_where_the_number_is_written_again_and_their_word_ends_it(
    store: Store,
) -> None:
    employ(store)
    contact = meet(store, draft(NAME, NORWAY))
    with transaction(store.engine) as connection:
        contacts.never_record(connection, contact, KARI, rig.AT)
    forgetting.forget(store, [NORWAY], contact)
    again, later = meet(store, draft("Zora", NORWAY)), rig.AT + timedelta(days=1)
    with transaction(store.engine) as connection:
        contacts.change(connection, again, draft("Zora N", NORWAY), later)
        assert objections.take_over(store, connection, KARI, later) == 1
        assert objections.take_over(store, connection, KARI, later) == 0

    assert known(store, again).never_record
    with transaction(store.engine) as connection:
        objections.end(store.erasures, connection, again, KARI, utc_now())
        assert not objections.objected(store.erasures, connection, NORWAY)


def test_replaying_twice_is_replaying_once(kept: Kept) -> None:
    folder, _, _ = kept
    back(folder, EVERYTHING, lambda: erase(folder))
    store = Store.open(folder)

    assert replay(store, utc_now()).counts() == {"recordings": 1, "calls": 1, "contacts": 1}
    assert not replay(store, utc_now())
    store.close()


def test_a_list_that_was_lost_is_made_again_of_what_the_database_knows(kept: Kept) -> None:
    folder, call, recording = kept
    erase(folder)
    shutil.rmtree(folder / "erased")

    Node.open(folder, Scripted()).close()

    store = Store.open(folder)
    assert store.erasures.ids(Listed.RECORDING) == {recording}
    assert store.erasures.ids(Listed.PARTY) == {f"{call}/1"}
    store.close()
