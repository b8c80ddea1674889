"""What an agent writes about a call: kept, never overwritten unseen, and gone with the person."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.people import KARI, OLA, called, draft, employ, meet

from askfirst.errors import InvalidRequest, NotFound, Refused
from askfirst.server import callnotes, contacts, followups, forgetting
from askfirst.server.access import Person, UserRole
from askfirst.server.accounttables import audit
from askfirst.server.callnotes import AnyoneElse, CallNote, Conflict, Disposition, Written
from askfirst.server.contacttables import follow_ups
from askfirst.server.database import calls, reading, transaction
from askfirst.server.notetables import call_notes
from askfirst.server.store import Store

WORDS = "Wants the blue one, on Thursdays"
AGENT = Person(KARI, frozenset({UserRole.AGENT}), "north")
OTHER = Person(OLA, frozenset({UserRole.AGENT}), "north")
LEAD = Person(OLA, frozenset({UserRole.SUPERVISOR}), "north")
OFFICER = Person(OLA, frozenset({UserRole.COMPLIANCE}), None)
DUE = date(2026, 12, 3)


@pytest.fixture
def call(store: Store) -> str:
    """A call of Kari's to Norway that is over."""
    employ(store)
    made = called(store, rig.NORWAY)
    with transaction(store.engine) as connection:
        connection.execute(calls.update().values(agent=KARI, ended_at=rig.AT))
    return made


def save(
    store: Store, call: str, version: int, written: Written, person: Person = AGENT
) -> CallNote:
    with transaction(store.engine) as connection:
        return callnotes.save(connection, person, call, version, written, rig.AT)


def read(store: Store, call: str, person: Person = AGENT) -> CallNote:
    with reading(store.engine) as connection:
        return callnotes.read(connection, person, call)


def test_notes_of_a_person_who_is_forgotten_are_in_no_file_and_do_not_come_back(
    store: Store, call: str
) -> None:
    save(store, call, 0, Written(Disposition.REACHED, WORDS, AnyoneElse.YES, DUE))
    assert any(WORDS.encode() in path.read_bytes() for path in store.folder.glob("askfirst.db*"))

    assert forgetting.forget(store, [rig.NORWAY]).calls == 1

    for path in store.folder.glob("askfirst.db*"):
        content = path.read_bytes().lower()
        assert WORDS.encode().lower() not in content
    left = read(store, call)
    assert left.is_forgotten
    assert left.written == Written()
    assert rig.rows(store, sa.select(follow_ups)) == []
    for version in (0, 1, left.version):
        with pytest.raises(Refused, match="forgotten"):
            save(store, call, version, Written(notes=WORDS))


def test_what_was_never_written_does_not_come_after_the_person_is_forgotten(
    store: Store, call: str
) -> None:
    forgetting.forget(store, [rig.NORWAY])

    with pytest.raises(Refused, match="forgotten"):
        save(store, call, 0, Written(notes=WORDS))


def test_a_forgotten_person_takes_no_other_calls_notes_along(store: Store, call: str) -> None:
    other = called(store, rig.CALIFORNIA, ledger=1)
    with transaction(store.engine) as connection:
        connection.execute(calls.update().values(agent=KARI, ended_at=rig.AT))
    save(store, other, 0, Written(notes=WORDS))

    forgetting.forget(store, [rig.NORWAY])

    assert read(store, other).written.notes == WORDS


def test_a_version_that_was_not_read_overwrites_nothing(store: Store, call: str) -> None:
    first = save(store, call, 0, Written(notes="in the first window"))
    assert first.version == 1

    for version in (0, 2, -1):
        with pytest.raises(Conflict):
            save(store, call, version, Written(notes="in the second window"))

    assert read(store, call).written.notes == "in the first window"
    save(store, call, 1, Written(notes="then"))
    assert read(store, call).version == 2


def test_sending_the_same_again_changes_nothing_and_is_no_conflict(store: Store, call: str) -> None:
    written = Written(Disposition.CALL_BACK, WORDS, AnyoneElse.NO, DUE)
    save(store, call, 0, written)

    assert save(store, call, 0, written).version == 1
    assert len(rig.rows(store, sa.select(follow_ups))) == 1


@pytest.mark.parametrize("person", [OTHER, LEAD, OFFICER])
def test_only_the_agent_of_a_call_writes_about_it(store: Store, call: str, person: Person) -> None:
    with pytest.raises(Refused):
        save(store, call, 0, Written(notes=WORDS), person)

    assert rig.rows(store, sa.select(call_notes)) == []


def test_those_who_reach_a_call_read_what_is_written(store: Store, call: str) -> None:
    save(store, call, 0, Written(notes=WORDS))
    with transaction(store.engine) as connection:
        connection.exec_driver_sql("UPDATE users SET team = 'north'")

    assert read(store, call, LEAD).written.notes == WORDS
    assert read(store, call, OFFICER).written.notes == WORDS
    for nobody in (OTHER, Person(OLA, frozenset({UserRole.SUPERVISOR}), "south")):
        with pytest.raises(Refused):
            read(store, call, nobody)
    with pytest.raises(NotFound):
        read(store, "call_" + "0" * 32, OFFICER)


@pytest.mark.parametrize("notes", ["x" * 4_001, "a\0b", "half \ud800"])
def test_what_cannot_be_kept_is_named_and_nothing_is_written(
    store: Store, call: str, notes: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        save(store, call, 0, Written(notes=notes))

    assert caught.value.key == "notes"
    assert rig.rows(store, sa.select(call_notes)) == []


def test_four_thousand_characters_are_kept_as_they_are(store: Store, call: str) -> None:
    longest = "ø\n" * 1_999 + "øæ"

    save(store, call, 0, Written(notes=longest.replace("\n", "\r\n")))

    assert read(store, call).written.notes == longest


def test_a_follow_up_is_promised_moved_and_taken_back(store: Store, call: str) -> None:
    contact = meet(store, draft("Nora Lie", rig.NORWAY))
    save(store, call, 0, Written(follow_up_on=DUE))
    save(store, call, 1, Written(follow_up_on=DUE + timedelta(1)))

    (promised,) = rig.rows(store, sa.select(follow_ups))
    assert (promised.contact, promised.call, promised.owner) == (contact, call, KARI)
    assert promised.due == DUE + timedelta(1)

    save(store, call, 2, Written())
    assert rig.rows(store, sa.select(follow_ups)) == []


def test_what_was_done_stays_done_and_a_new_day_is_a_new_promise(store: Store, call: str) -> None:
    meet(store, draft("Nora Lie", rig.NORWAY))
    save(store, call, 0, Written(follow_up_on=DUE))
    (promised,) = rig.rows(store, sa.select(follow_ups))
    with transaction(store.engine) as connection:
        followups.done(connection, promised.id, rig.AT)

    save(store, call, 1, Written(notes="and more", follow_up_on=DUE))
    assert len(rig.rows(store, sa.select(follow_ups))) == 1
    save(store, call, 2, Written(notes="and more", follow_up_on=DUE + timedelta(7)))

    done = [row.done_at is not None for row in rig.rows(store, sa.select(follow_ups))]
    assert sorted(done) == [False, True]


def test_a_follow_up_adds_a_contact_where_nobody_has_the_number(store: Store, call: str) -> None:
    save(store, call, 0, Written(follow_up_on=DUE))

    with reading(store.engine) as connection:
        number, holder = callnotes.contact_of(connection, call)
        assert number == rig.NORWAY
        assert holder is not None
        assert contacts.get(connection, holder).owner == KARI


def test_a_call_without_a_number_promises_nothing_and_keeps_the_rest_unwritten(
    store: Store, call: str
) -> None:
    with transaction(store.engine) as connection:
        connection.exec_driver_sql("UPDATE parties SET number = NULL")

    with pytest.raises(InvalidRequest) as caught:
        save(store, call, 0, Written(notes=WORDS, follow_up_on=DUE))

    assert caught.value.key == "follow_up_on"
    assert read(store, call).version == 0


def test_somebody_else_on_the_line_is_written_down_for_those_who_check(
    store: Store, call: str
) -> None:
    save(store, call, 0, Written(anyone_else=AnyoneElse.UNSURE))
    save(store, call, 1, Written(anyone_else=AnyoneElse.YES))
    save(store, call, 2, Written(anyone_else=AnyoneElse.NO))

    actions = [(row.action, row.object) for row in rig.rows(store, sa.select(audit))]
    assert actions == [("call.someone-else", call), ("call.nobody-else", call)]
