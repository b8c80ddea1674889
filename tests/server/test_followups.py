"""Follow-ups: what cannot be promised, what is due, what is done."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from tests.server import people, rig
from tests.server.people import KARI, LATER, NOBODY, NORDIC, OLA, ON, draft, meet

from askfirst.errors import InvalidInput, InvalidRequest
from askfirst.server import contacts, followups
from askfirst.server.database import transaction
from askfirst.server.store import Store


@pytest.fixture(autouse=True)
def _users(store: Store) -> None:
    people.employ(store)


def test_a_moment_is_no_day(writing: sa.Connection) -> None:
    with pytest.raises(InvalidInput, match="found a moment"):
        followups.promise(writing, NOBODY, rig.AT)
    with pytest.raises(InvalidInput, match="found a moment"):
        followups.due_follow_ups(writing, rig.AT)


@pytest.mark.parametrize("note", ["n" * 2_001, "a\x00b"])
def test_a_note_that_cannot_be_kept_is_refused(writing: sa.Connection, note: str) -> None:
    with pytest.raises(InvalidRequest, match="note"):
        followups.promise(writing, NOBODY, ON, note=note)


def test_what_is_due_is_listed_until_it_is_done_the_oldest_first(store: Store) -> None:
    call = people.called(store, NORDIC)
    contact = meet(store, draft("Nora", NORDIC))
    with transaction(store.engine) as writing:
        today = followups.promise(writing, contact, ON, note=" call ", owner=KARI, call=call)
        before = followups.promise(writing, contact, ON - timedelta(days=2), owner=OLA)
        later = followups.promise(writing, contact, ON + timedelta(days=1))

        due = followups.due_follow_ups(writing, ON)
        mine = followups.due_follow_ups(writing, ON, owner=KARI)
        followups.done(writing, before, rig.AT)
        followups.done(writing, before, LATER)
        left = followups.due_follow_ups(writing, ON)
        every = followups.follow_ups_of(writing, contact)

    assert [each.id for each in due] == [before, today]
    assert (mine[0].id, mine[0].note, mine[0].call) == (today, "call", call)
    assert [each.id for each in left] == [today]
    assert [(each.id, each.done_at) for each in every] == [
        (before, rig.AT),
        (today, None),
        (later, None),
    ]


def test_what_is_due_with_an_archived_contact_waits_for_its_return(store: Store) -> None:
    contact = meet(store, draft("Nora"))
    with transaction(store.engine) as writing:
        followups.promise(writing, contact, ON)
        contacts.archive(writing, contact, rig.AT)
        assert followups.due_follow_ups(writing, ON) == ()
        contacts.restore(writing, contact, rig.AT)
        assert len(followups.due_follow_ups(writing, ON)) == 1
