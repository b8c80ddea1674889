"""Erasing a person erases audio, transcript, index, peaks, exports and the key; proof without
content remains. Backups are void at the latest N days later (N is shown).
"""

from __future__ import annotations

import pytest
from tests.promises.conftest import Called
from tests.server import rig

from askfirst.errors import KeyUnreadable, Refused
from askfirst.server.database import transaction
from askfirst.server.erasure import erase, intend
from askfirst.server.forgetting import forget
from askfirst.server.playback import Playback


@pytest.mark.slow
def test_a_withdrawal_leaves_the_proof_and_nothing_to_hear(called: Called) -> None:
    (recording,) = called.recordings("withdraws")
    kinds = [entry["kind"] for entry in called.entries("withdraws")]

    assert recording.state == "erased"
    assert not [key for key in rig.key_ids(called.store) if key.startswith(recording.id)]
    assert not [name for name in called.store.blobs.names() if name.startswith(recording.id)]
    assert not (called.store.spool / recording.id).exists()
    with pytest.raises(Refused):
        Playback(called.store).play(recording.id, person="usr_1", purpose="x")
    assert kinds.index("consent.given") < kinds.index("consent.withdrawn")
    assert kinds.index("consent.withdrawn") < kinds.index("erasure.intended")
    assert kinds.index("erasure.intended") < kinds.index("recording.erased")


@pytest.mark.slow
def test_a_contact_who_withdrew_is_in_no_vcon(called: Called) -> None:
    assert not [item for item in called.vcons["withdraws"].get("dialog", []) if item.get("body")]
    assert [item for item in called.vcons["agrees"]["dialog"] if item.get("body")]


def test_erasing_takes_words_and_everything_derived_and_then_the_person(
    recorded: rig.Recorded,
) -> None:
    store = recorded.store
    names = store.blobs.names()
    assert len({name.split("/")[1].rsplit("-", 1)[0] for name in names}) >= 3

    with transaction(store.engine) as connection:
        intend(store, connection, recorded.id, "request", rig.AT)
    erase(store, recorded.id, rig.AT)

    assert forget(store, [rig.NORWAY]).calls == 1
    assert store.blobs.names() == []
    for name in names:
        with pytest.raises(KeyUnreadable):
            store.keys.get(name)
    assert rig.call_row(store, recorded.call).outcome == "erased"
    assert "consent.given" in rig.kinds(store)
    assert store.ledger.verify().size == len(rig.kinds(store))
