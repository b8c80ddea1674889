"""Forgetting a contact: nothing of it is left in any file, and what could not be done is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.server import rig
from tests.server.people import draft, meet

from askfirst.errors import NotFound
from askfirst.server import contacts, forgetting, subjectrights
from askfirst.server.database import reading
from askfirst.server.store import Store

NAME = "Zebra Nilsen"


def asked(store: Store, contact: str) -> subjectrights.Erased:
    with reading(store.engine) as connection:
        person = subjectrights.who(connection, contact=contact)
    return subjectrights.erase_person(store, person, None, rig.AT, dry_run=False)


def files_with(folder: Path, text: str) -> list[str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return [path.name for path in paths if text.encode() in path.read_bytes()]


def test_a_contact_without_a_number_is_in_no_file_afterwards(store: Store) -> None:
    contact = meet(store, draft(NAME))
    assert files_with(store.folder, NAME) != []

    found = asked(store, contact)

    assert files_with(store.folder, NAME) == []
    assert found["traces_left"] is False
    with reading(store.engine) as connection, pytest.raises(NotFound):
        contacts.get(connection, contact)


@pytest.mark.parametrize("numbers", [(), (rig.NORWAY,)])
def test_a_log_that_cannot_be_emptied_is_said(
    store: Store, numbers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    contact = meet(store, draft(NAME, *numbers))
    monkeypatch.setattr(forgetting, "scrub", lambda _engine: False)

    assert asked(store, contact)["traces_left"] is True


def test_erasing_one_number_of_a_contact_forgets_the_others_too(recorded: rig.Recorded) -> None:
    store, other = recorded.store, "+4748750199"
    meet(store, draft(NAME, other, rig.NORWAY))
    with reading(store.engine) as connection:
        person = subjectrights.who(connection, number=other)

    found = subjectrights.erase_person(store, person, None, rig.AT, dry_run=False)

    assert found["forgotten_in"] == 1
    assert files_with(store.folder, rig.NORWAY) == []
