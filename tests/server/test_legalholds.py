"""Legal holds: what is held stays, who did it is in the ledger, and why is not."""

from __future__ import annotations

import json

import pytest
from tests.server import rig

from askfirst.errors import InvalidInput, NotFound, Refused
from askfirst.server import erasure, legalholds
from askfirst.server.database import transaction
from askfirst.server.store import Store

PERSON = "usr_" + "1" * 32
REASON = "Claim by Nora Lie of 3 May"


def place(recorded: rig.Recorded, reason: str = REASON) -> None:
    legalholds.place(recorded.store, recorded.id, PERSON, reason, rig.AT)


def release(recorded: rig.Recorded, reason: str = "settled") -> None:
    legalholds.release(recorded.store, recorded.id, PERSON, reason, rig.AT)


def erase(recorded: rig.Recorded) -> None:
    with transaction(recorded.store.engine) as connection:
        erasure.intend(recorded.store, connection, recorded.id, "request", rig.AT)
    erasure.erase(recorded.store, recorded.id, rig.AT)


def holds(store: Store) -> list[tuple[object, object, object]]:
    return [
        (entry["kind"], entry.get("recording"), entry["data"])
        for _, entry in store.ledger.entries()
        if str(entry["kind"]).startswith("legal-hold.")
    ]


@pytest.mark.parametrize("reason", ["", "  \n ", "ok", "x" * 501])
def test_a_hold_without_a_usable_reason_is_not_placed(recorded: rig.Recorded, reason: str) -> None:
    with pytest.raises(InvalidInput):
        place(recorded, reason)

    assert not recorded.row.legal_hold
    assert holds(recorded.store) == []


def test_a_hold_whose_reason_cannot_be_kept_is_not_placed(recorded: rig.Recorded) -> None:
    with rig.unwritable(recorded.store), pytest.raises(Exception, match="database"):
        place(recorded)

    assert not recorded.row.legal_hold


def test_what_is_erased_or_not_there_is_not_held(recorded: rig.Recorded) -> None:
    erase(recorded)

    with pytest.raises(Refused, match="erased"):
        place(recorded)
    with pytest.raises(NotFound):
        legalholds.place(recorded.store, "rec_" + "0" * 32, PERSON, REASON, rig.AT)


def test_the_ledger_says_who_and_never_why(recorded: rig.Recorded) -> None:
    place(recorded)
    place(recorded, "another wording of it")
    release(recorded)

    assert holds(recorded.store) == [
        ("legal-hold.placed", recorded.id, {"person": PERSON}),
        ("legal-hold.released", recorded.id, {"person": PERSON}),
    ]
    written = json.dumps([entry for _, entry in recorded.store.ledger.entries()])
    assert "Nora" not in written
    for path in recorded.store.folder.rglob("*"):
        assert not path.is_file() or b"Nora" not in path.read_bytes(), path


def test_the_newest_reason_is_given_with_who_and_when(recorded: rig.Recorded) -> None:
    assert legalholds.newest_reason(recorded.store, recorded.id) is None

    place(recorded)

    assert legalholds.newest_reason(recorded.store, recorded.id) == legalholds.HoldReason(
        True, REASON, PERSON, rig.AT
    )


def test_a_held_recording_is_not_erased_and_one_released_takes_its_reasons_along(
    recorded: rig.Recorded,
) -> None:
    place(recorded)
    with transaction(recorded.store.engine) as connection, pytest.raises(Refused, match="hold"):
        erasure.ensure_may_go(connection, recorded.id, rig.AT)

    release(recorded)
    with transaction(recorded.store.engine) as connection:
        erasure.ensure_may_go(connection, recorded.id, rig.AT)
    erase(recorded)

    assert recorded.store.blobs.names() == []
    assert legalholds.newest_reason(recorded.store, recorded.id) is None


def test_a_mandatory_period_is_named(recorded: rig.Recorded) -> None:
    rig.change(recorded.store, recorded.id, mandatory="mifid2")

    with transaction(recorded.store.engine) as connection, pytest.raises(Refused, match="mifid2"):
        erasure.ensure_may_go(connection, recorded.id, rig.AT)
