"""The only reader: what may be read depends on the state, and access is written down first."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.server import rig
from tests.server.rig import BYE, KEYED

from askfirst.audio.mixing import to_samples
from askfirst.audio.tone import find_tone
from askfirst.errors import KeyUnreadable, NotFound, Refused, Unverified
from askfirst.model import SAMPLE_RATE_HZ
from askfirst.server import erasure
from askfirst.server.database import transaction
from askfirst.server.playback import Playback, decryptable
from askfirst.server.store import Store


def accesses(store: Store) -> list[dict[str, object]]:
    return [entry for _, entry in store.ledger.entries() if entry["kind"] == "access.played"]


def test_a_ready_recording_plays_and_the_access_is_in_the_ledger(recorded: rig.Recorded) -> None:
    assert recorded.node.playback.play(recorded.id, person="usr_1", purpose="coaching")

    (entry,) = accesses(recorded.store)
    assert entry["recording"] == recorded.id
    assert entry["data"] == {"person": "usr_1", "purpose": "coaching"}


def test_an_access_is_written_before_a_byte_is_read(recorded: rig.Recorded) -> None:
    for key in rig.key_ids(recorded.store):
        recorded.store.keys.destroy(key)

    with pytest.raises(KeyUnreadable):
        recorded.node.playback.play(recorded.id, person="usr_1", purpose="coaching")

    assert len(accesses(recorded.store)) == 1


def test_an_access_that_cannot_be_written_gives_no_byte(recorded: rig.Recorded) -> None:
    with rig.unwritable(recorded.store), pytest.raises(Exception, match="database refused"):
        recorded.node.playback.play(recorded.id, person="usr_1", purpose="coaching")


@pytest.mark.parametrize("state", ["spool", "sealed", "checking", "quarantined", "erased"])
def test_only_a_ready_recording_is_played_or_gives_the_contacts_side(
    recorded: rig.Recorded, state: str
) -> None:
    rig.change(recorded.store, recorded.id, state=state)

    with pytest.raises(Refused, match=state):
        recorded.node.playback.play(recorded.id, person="usr_1", purpose="coaching")
    with pytest.raises(Refused, match=state):
        recorded.node.playback.contact_side(recorded.id)
    assert accesses(recorded.store) == []


@pytest.mark.parametrize("state", ["spool", "quarantined", "erased"])
def test_our_own_side_is_for_the_check_only(recorded: rig.Recorded, state: str) -> None:
    rig.change(recorded.store, recorded.id, state=state)

    with pytest.raises(Refused):
        recorded.node.playback.own_side(recorded.id)


def test_sides_do_not_mix(recorded: rig.Recorded) -> None:
    own = to_samples(recorded.node.playback.own_side(recorded.id))
    other = to_samples(recorded.node.playback.contact_side(recorded.id))

    assert find_tone(own, SAMPLE_RATE_HZ, (rig.VOICES["agent"],))
    assert not find_tone(own, SAMPLE_RATE_HZ, (rig.VOICES["contact"],))
    assert find_tone(other, SAMPLE_RATE_HZ, (rig.VOICES["contact"],))
    assert not find_tone(other, SAMPLE_RATE_HZ, (rig.VOICES["agent"],))


def test_an_erased_recording_is_refused_and_its_objects_do_not_open(
    recorded: rig.Recorded,
) -> None:
    store = recorded.store
    (kept,) = [name for name in store.blobs.names() if "/audio-" in name]
    sealed = store.blobs.read(kept)
    with transaction(store.engine) as connection:
        erasure.intend(store, connection, recorded.id, "request", rig.AT)
    erasure.erase(store, recorded.id, rig.AT)

    with pytest.raises(Refused):
        recorded.node.playback.play(recorded.id, person="usr_1", purpose="coaching")
    store.blobs.put_new(kept, sealed)  # as a backup would bring it back
    with pytest.raises(KeyUnreadable):
        store.keys.get(kept)
    assert recorded.node.playback.asset(recorded.id, "transcript") is None


def test_a_changed_object_is_not_played(recorded: rig.Recorded) -> None:
    (path,) = (recorded.store.folder / "objects").rglob("audio-*")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)

    with pytest.raises(Unverified):
        recorded.node.playback.play(recorded.id, person="usr_1", purpose="coaching")


def test_the_object_of_another_recording_does_not_play(
    recorded: rig.Recorded, tmp_path: Path
) -> None:
    other = rig.record(recorded.node, tmp_path / "other")
    (mine,) = (recorded.store.folder / "objects" / recorded.id).glob("audio-*")
    (theirs,) = (recorded.store.folder / "objects" / other.id).glob("audio-*")
    mine.chmod(0o600)
    mine.write_bytes(theirs.read_bytes())

    with pytest.raises(Unverified):
        recorded.node.playback.play(recorded.id, person="usr_1", purpose="coaching")


def test_what_is_not_there_is_not_found(store: Store) -> None:
    playback = Playback(store)
    nobody = "rec_" + "0" * 32

    with pytest.raises(NotFound):
        playback.play(nobody, person="p", purpose="q")
    with pytest.raises(NotFound):
        playback.own_side(nobody)
    assert playback.asset(nobody, "transcript") is None


def test_everything_that_still_opens_is_given_for_the_self_check(
    store: Store, tmp_path: Path
) -> None:
    call = rig.virtually(store, rig.callee(tmp_path / "callee", *KEYED, BYE))

    found = list(decryptable(store))

    assert {name for name, _ in found} == {"spool (decrypted)"}
    assert any(b'"side":"contact"' in data for _, data in found)
    path = next((store.spool / call.recordings[0]).iterdir())
    path.write_bytes(b"\x28" + bytes(5000))
    assert len(list(decryptable(store))) == len(found) - 1, "a damaged file stops nothing"
