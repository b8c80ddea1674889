"""The erasure list: only added to, of no use without its key, and mergeable with an older one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server.rig import AT, NORWAY

from askfirst.errors import Misconfigured, Unavailable
from askfirst.server.erasurelist import ErasureList, Listed, read

KEY, OTHER = b"k" * 32, b"o" * 32
LATER = AT + timedelta(days=1)
ADDRESS = "Nora.Nilsen@example.org"


@pytest.fixture
def listed(tmp_path: Path) -> Iterator[ErasureList]:
    opened = ErasureList(tmp_path / "erased" / "erased.db", KEY)
    yield opened
    opened.close()


def test_what_is_entered_is_there_after_opening_again(listed: ErasureList) -> None:
    listed.add(Listed.RECORDING, ["rec_1", "rec_2"], AT)
    listed.add(Listed.RECORDING, ["rec_2"], LATER)
    listed.add_people([NORWAY], [ADDRESS, " "], AT)
    listed.close()

    again = ErasureList(listed.path, KEY)

    assert again.ids(Listed.RECORDING) == {"rec_1", "rec_2"}
    assert again.people(Listed.NUMBER) == {again.number_mark(NORWAY): AT}
    assert again.people(Listed.MAIL) == {again.mail_mark(ADDRESS.upper()): AT}
    again.close()


def test_an_entry_can_be_neither_changed_nor_deleted(listed: ErasureList) -> None:
    listed.add(Listed.RECORDING, ["rec_1"], AT)

    with closing(sqlite3.connect(listed.path)) as opened:
        for statement in ("DELETE FROM entries", "UPDATE entries SET mark = 'rec_2'"):
            with pytest.raises(sqlite3.IntegrityError, match="only added to"):
                opened.execute(statement)


def test_nobody_finds_a_number_in_the_list_without_its_key(listed: ErasureList) -> None:
    listed.add_people([NORWAY], [ADDRESS], AT)
    listed.say_never([NORWAY], AT)
    held = b"".join(path.read_bytes() for path in listed.path.parent.iterdir())

    for text in (NORWAY, NORWAY[1:], NORWAY[3:], ADDRESS, ADDRESS.lower()):
        assert text.encode() not in held
    assert listed.number_mark(NORWAY).encode() in held
    assert ErasureList(listed.path.with_name("o"), OTHER).number_mark(NORWAY).encode() not in held
    assert {path.stat().st_mode & 0o077 for path in listed.path.parent.glob("erased.db")} == {0}


def test_a_list_of_another_key_is_not_opened(listed: ErasureList) -> None:
    listed.close()

    with pytest.raises(Misconfigured, match="another key"):
        ErasureList(listed.path, OTHER)


def test_a_list_that_cannot_be_read_is_not_opened(listed: ErasureList) -> None:
    listed.close()
    for path in listed.path.parent.iterdir():
        path.write_bytes(b"no database at all" * 400)

    with pytest.raises(Unavailable):
        ErasureList(listed.path, KEY)
    with pytest.raises(Misconfigured, match="cannot be read"):
        read(listed.path)


def test_the_newest_wish_counts(listed: ErasureList) -> None:
    assert not listed.is_never(NORWAY)
    listed.say_again([NORWAY], AT)
    assert len(listed) == 0, "there was no wish that could end"
    listed.say_never([NORWAY], AT)
    assert listed.is_never(NORWAY)
    listed.say_again([NORWAY], LATER)
    assert not listed.is_never(NORWAY)
    listed.say_never([NORWAY], LATER)
    assert listed.is_never(NORWAY), "of two wishes of one moment the one that was said last"


@given(ours=st.sets(st.integers(0, 9)), theirs=st.sets(st.integers(0, 9)))
def test_a_merged_list_holds_what_either_held_once(
    tmp_path_factory: pytest.TempPathFactory, ours: set[int], theirs: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("merge")
    one, two = ErasureList(folder / "one.db", KEY), ErasureList(folder / "two.db", KEY)
    one.add(Listed.RECORDING, [f"rec_{each}" for each in ours], AT)
    two.add(Listed.RECORDING, [f"rec_{each}" for each in theirs], AT)
    two.close()

    assert one.merge(two.path) == len(theirs - ours)
    assert one.merge(two.path) == 0
    assert one.ids(Listed.RECORDING) == {f"rec_{each}" for each in ours | theirs}
    one.close()


def test_a_list_of_another_key_is_not_merged(listed: ErasureList, tmp_path: Path) -> None:
    ErasureList(tmp_path / "other.db", OTHER).close()

    with pytest.raises(Misconfigured, match="another key"):
        listed.merge(tmp_path / "other.db")
