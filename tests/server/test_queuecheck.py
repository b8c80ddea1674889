"""The check fills the queue: what does not fit together is raised once, and nothing is released."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.rig import AT
from tests.server.test_finishing import NOTICE, TOLD, Listening, finished

from askfirst.decide import decide
from askfirst.explain import to_json
from askfirst.model import Party, Utterance
from askfirst.rules import packaged
from askfirst.server import erasure, legalholds, queuecheck
from askfirst.server.account import change
from askfirst.server.clock import utc_now
from askfirst.server.database import (
    assets,
    calls,
    consents,
    ledger_entries,
    metadata,
    reading,
    recordings,
    segments,
    transaction,
)
from askfirst.server.queue import (
    Finding,
    Reason,
    Wanted,
    counts,
    items,
    last_check,
    note_decided,
    raise_item,
)
from askfirst.server.queuetables import queue_items
from askfirst.server.sealing import write_asset
from askfirst.server.store import Store
from askfirst.server.transcripts import to_bytes

PERSON = "usr_" + "1" * 32
UNTOLD = "Good morning, here is your offer for the lamps, and the price is good."
LATER = timedelta(days=1)


def examine(recorded: rig.Recorded) -> int:
    return queuecheck.examine(recorded.store, packaged(), recorded.call, utc_now())


def check(store: Store, after: timedelta = LATER) -> int:
    return queuecheck.check_all(store, packaged(), utc_now() + after)


def listed(store: Store, *, is_decided: bool = False) -> list[tuple[str, str | None]]:
    with reading(store.engine) as connection:
        found = items(connection, Wanted(is_decided=is_decided))
    return [(each.reason.value, each.decision) for each in found]


def say(recorded: rig.Recorded, text: str) -> None:
    """Let the contact say something at 30 seconds, in the recording's transcript."""
    with transaction(recorded.store.engine) as connection:
        connection.execute(
            assets.delete().where(assets.c.recording == recorded.id, assets.c.kind == "transcript")
        )
    said = [Utterance("contact", 30_000, 32_000, text)]
    write_asset(recorded.store, recorded.id, "transcript", to_bytes(said), AT)


def tell(recorded: rig.Recorded, kind: str, at_ms: int, party: int = 1, ledger: int = 900) -> None:
    with transaction(recorded.store.engine) as connection:
        connection.execute(
            consents.insert().values(
                id=f"con_{ledger:032x}",
                call=recorded.call,
                party=party,
                kind=kind,
                how="agent",
                proof=0,
                uses=[],
                elements=[],
                at=AT,
                at_ms=at_ms,
                ledger=ledger,
            )
        )


def test_what_was_rightly_recorded_raises_nothing(recorded: rig.Recorded) -> None:
    assert examine(recorded) == 0
    assert check(recorded.store) == 0
    assert recorded.row.state == "ready"


def test_an_attested_notice_that_is_not_heard_is_in_the_queue(store: Store, tmp_path: Path) -> None:
    call = finished(store, tmp_path, Listening(UNTOLD), *TOLD)

    with reading(store.engine) as connection:
        (item,) = items(connection, Wanted())
    assert (item.reason, item.call, item.proof) == (Reason.NOT_HEARD, call.id, 1)
    assert item.from_ms is not None
    assert item.to_ms == item.from_ms + 90_000
    assert rig.kinds(store).count("queue.raised") == 1


def test_a_notice_that_is_heard_raises_nothing(store: Store, tmp_path: Path) -> None:
    finished(store, tmp_path, Listening(NOTICE), *TOLD)

    assert listed(store) == []


def test_what_was_quarantined_before_there_was_a_queue_comes_into_it(
    store: Store, tmp_path: Path
) -> None:
    finished(store, tmp_path, Listening(UNTOLD), *TOLD)
    with transaction(store.engine) as connection:
        connection.execute(queue_items.delete())

    assert check(store) == 1
    assert check(store) == 0, "once"
    assert listed(store) == [("not-heard", None)]


def test_sound_after_a_no_is_locked_and_raised(recorded: rig.Recorded) -> None:
    with reading(recorded.store.engine) as connection:
        kept = connection.execute(sa.select(segments)).all()[-1]
    tell(recorded, "refused", kept.from_ms + 100)

    assert examine(recorded) == 1
    assert examine(recorded) == 0
    assert listed(recorded.store) == [("refused-but-audio", None)]
    assert recorded.row.state == "quarantined"
    assert rig.call_row(recorded.store, recorded.call).outcome == "quarantined"


def test_a_no_that_was_followed_by_a_yes_or_ended_the_recording_raises_nothing(
    recorded: rig.Recorded,
) -> None:
    with reading(recorded.store.engine) as connection:
        kept = connection.execute(sa.select(segments)).all()[-1]
    tell(recorded, "withdrawn", kept.to_ms - 200, ledger=900)
    assert examine(recorded) == 0

    tell(recorded, "refused", kept.from_ms, party=3, ledger=901)
    tell(recorded, "agreed", kept.from_ms, party=3, ledger=902)
    assert examine(recorded) == 0


def test_a_recording_that_no_opening_allowed_is_unexpected(recorded: rig.Recorded) -> None:
    with transaction(recorded.store.engine) as connection:
        connection.execute(segments.update().values(permit=77))

    assert examine(recorded) == 1
    assert listed(recorded.store) == [("unexpected", None)]
    assert recorded.row.state == "quarantined"


def test_a_gate_that_opened_without_a_recording_is_raised_for_the_call(
    recorded: rig.Recorded,
) -> None:
    store = recorded.store
    with transaction(store.engine) as connection:
        for table in reversed(metadata.sorted_tables):
            if any(key.column.table is recordings for key in table.foreign_keys):
                connection.execute(table.delete())
        connection.execute(recordings.delete())

    assert check(store, timedelta(minutes=5)) == 0, "its own jobs may yet make it"
    assert check(store) == 1
    assert check(store) == 0
    assert listed(store) == [("expected-absent", None)]


def test_what_was_erased_is_not_missing(recorded: rig.Recorded) -> None:
    rig.change(recorded.store, recorded.id, state="erased")

    assert check(recorded.store) == 0


@pytest.mark.parametrize("text", ["I'm in Paris right now.", "Ich bin in Berlin."])
def test_a_place_with_a_stricter_law_locks_the_recording(
    store: Store, tmp_path: Path, text: str
) -> None:
    recorded = told(store, tmp_path)
    say(recorded, text)

    assert examine(recorded) == 1
    with reading(store.engine) as connection:
        (item,) = items(connection, Wanted())
    assert item.reason is Reason.PLACE_NAMED
    assert item.code in ("FR", "DE")
    assert (item.from_ms, item.to_ms) == (22_000, 40_000)
    assert recorded.row.state == "quarantined"


@pytest.mark.parametrize(
    "text", ["I'm in New Zealand.", "I'm in Texas.", "If I am in Paris, fine.", "Hello."]
)
def test_a_place_that_asks_no_more_raises_nothing(store: Store, tmp_path: Path, text: str) -> None:
    recorded = told(store, tmp_path)
    say(recorded, text)

    assert examine(recorded) == 0
    assert recorded.row.state == "ready"


def told(store: Store, tmp_path: Path) -> rig.Recorded:
    """A recording of a call to New Zealand from there, whose law wants a notice at most."""
    call = finished(store, tmp_path, Listening(NOTICE), *TOLD)
    decision = decide([Party.agent("NZ"), Party.contact("NZ")], AT.date())
    with transaction(store.engine) as connection:
        connection.execute(calls.update().values(decision=to_json(decision)))

    class Bare:
        def __init__(self) -> None:
            self.store = store

    (row,) = rig.recording_rows(store)
    bare: Any = Bare()
    return rig.Recorded(bare, call.id, row.id)


def test_a_hold_is_raised_two_weeks_before_its_end(recorded: rig.Recorded) -> None:
    store, now = recorded.store, utc_now()
    until = now + timedelta(days=30)
    legalholds.place(store, recorded.id, PERSON, "a claim", now, until)

    assert check(store, timedelta(days=15)) == 0
    assert check(store, timedelta(days=17)) == 1
    assert listed(store) == [("hold-expiring", None)]
    assert recorded.row.legal_hold, "its end releases nothing"
    assert check(store, timedelta(days=60)) == 0


def test_a_file_that_does_not_open_is_raised_and_one_that_does_is_not(
    recorded: rig.Recorded,
) -> None:
    store = recorded.store
    assert check(store) == 0
    (audio,) = [name for name in store.blobs.names() if "/audio-" in name]
    path = next(each for each in (store.folder / "objects").rglob("*") if audio[-12:] in each.name)
    path.write_bytes(path.read_bytes()[:-40])

    assert check(store, timedelta(days=40)) == 1
    assert listed(store) == [("unplayable", None)]


@pytest.mark.parametrize(("days", "left"), [(13, "quarantined"), (15, "erased")])
def test_what_nobody_verified_goes_after_the_days_of_the_account(
    store: Store, tmp_path: Path, days: int, left: str
) -> None:
    finished(store, tmp_path, Listening(UNTOLD), *TOLD)

    check(store, timedelta(days=days))
    erasure.carry_out(store, utc_now())
    assert rig.recording_rows(store)[0].state == left
    assert listed(store, is_decided=True) == ([("not-heard", "aged")] if left == "erased" else [])


@pytest.mark.parametrize("kept", [{"legal_hold": True}, {"mandatory": "fca"}])
def test_what_is_held_or_mandatory_does_not_age(
    store: Store, tmp_path: Path, kept: dict[str, object]
) -> None:
    finished(store, tmp_path, Listening(UNTOLD), *TOLD)
    rig.change(store, rig.recording_rows(store)[0].id, **kept)

    check(store, timedelta(days=100))

    assert rig.recording_rows(store)[0].state == "quarantined"
    assert listed(store) == [("not-heard", None)]


def test_an_account_may_keep_what_nobody_verified(store: Store, tmp_path: Path) -> None:
    finished(store, tmp_path, Listening(UNTOLD), *TOLD)
    with transaction(store.engine) as connection:
        change(connection, {"unverified_days": None}, None, AT)

    check(store, timedelta(days=100))

    assert listed(store) == [("not-heard", None)]


def test_what_is_about_an_erased_recording_is_closed_as_erased(recorded: rig.Recorded) -> None:
    store = recorded.store
    put(store, Finding(Reason.UNPLAYABLE, recorded.call, recorded.id))
    rig.change(store, recorded.id, state="erased")

    check(store)

    assert listed(store) == []
    assert listed(store, is_decided=True) == [("unplayable", "erased")]


def put(store: Store, finding: Finding) -> str | None:
    with transaction(store.engine) as connection:
        return raise_item(store, connection, finding, utc_now())


def test_there_is_one_item_for_each_recording_and_reason(recorded: rig.Recorded) -> None:
    finding = Finding(Reason.COMPLAINT, recorded.call, recorded.id)

    first = put(recorded.store, finding)
    assert first is not None
    assert put(recorded.store, finding) is None
    with transaction(recorded.store.engine) as connection:
        assert note_decided(recorded.store, connection, first, "dismiss", utc_now(), person=PERSON)
    assert put(recorded.store, finding) == first, "a complaint may come again"


def test_what_was_decided_once_is_not_raised_again(recorded: rig.Recorded) -> None:
    finding = Finding(Reason.UNEXPECTED, recorded.call, recorded.id)
    first = put(recorded.store, finding)
    with transaction(recorded.store.engine) as connection:
        note_decided(recorded.store, connection, str(first), "given", utc_now(), person=PERSON)

    assert put(recorded.store, finding) is None


def test_every_reason_is_counted_and_the_last_check_is_known(recorded: rig.Recorded) -> None:
    store = recorded.store
    put(store, Finding(Reason.COMPLAINT, recorded.call, recorded.id))
    with reading(store.engine) as connection:
        assert counts(connection) == {each: int(each is Reason.COMPLAINT) for each in Reason}
        assert last_check(connection) is None

    check(store)

    with reading(store.engine) as connection:
        assert last_check(connection) is not None


def test_nothing_is_raised_where_the_ledger_cannot_be_written(recorded: rig.Recorded) -> None:
    with rig.unwritable(recorded.store), pytest.raises(Exception, match="database"):
        put(recorded.store, Finding(Reason.UNEXPECTED, recorded.call, recorded.id))

    assert listed(recorded.store) == []
    assert recorded.row.state == "ready"


def test_entries_of_the_queue_hold_codes_only(recorded: rig.Recorded) -> None:
    put(recorded.store, Finding(Reason.COMPLAINT, recorded.call, recorded.id))

    with reading(recorded.store.engine) as connection:
        (entry,) = connection.execute(
            sa.select(ledger_entries.c.entry).where(ledger_entries.c.entry.contains("queue.raised"))
        ).scalars()
    assert '"reason":"complaint"' in entry
    assert rig.NORWAY not in entry
