"""The index holds no word, loses nothing by a kill, forgets without a trace, and is made anew."""

from __future__ import annotations

import json
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from tests.server import rig
from tests.server.searching import AT, EACH, KEY, learnt
from tests.server.searchrig import KARI, employ, found, hits, index_of, spoken

from askfirst.cli import main
from askfirst.errors import Unavailable
from askfirst.server import backup, erasure, searchsqlite, study, transcripts
from askfirst.server.clock import utc_now
from askfirst.server.database import outbox, transaction
from askfirst.server.node import Node
from askfirst.server.searchindex import NEWEST, Damaged
from askfirst.server.searchquery import query_of
from askfirst.server.searchsqlite import SqliteIndex
from askfirst.server.searchtokens import Tokens
from askfirst.server.searchupkeep import keep_up, rebuild, sweep
from askfirst.server.store import Store
from askfirst.speech.scripted import Scripted

SAID = [("agent", "A wombat."), ("contact", "Marmalade for a wombat, please.")]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SqliteIndex]:
    made = SqliteIndex(tmp_path / "search.db", lambda: KEY)
    yield made
    made.close()


@pytest.fixture
def staffed(store: Store) -> Store:
    employ(store)
    keep_up(store, utc_now())
    return store


def ids(index: SqliteIndex, text: str) -> list[str]:
    found = index.hits(index.expression(query_of(text)), 0, NEWEST, 10_000)
    return [hit.recording for hit in found]


def everything(path: Path) -> bytes:
    """Every byte of the index and its log."""
    return b"".join(each.read_bytes() for each in sorted(path.parent.glob(f"{path.name}*")))


def token(key: bytes, word: str, language: str = "en") -> bytes:
    """The end of a token as full text writes it: a beginning it may share with its neighbour."""
    return Tokens(key).said(language, [word]).hex().encode()[4:]


def ensure_sound(path: Path) -> None:
    """Both SQLite and full text find nothing wrong, and they hold the same rows."""
    with closing(sqlite3.connect(path)) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        opened.execute("INSERT INTO words (words) VALUES ('integrity-check')")
        counted = opened.execute(
            "SELECT (SELECT count(*) FROM segments), (SELECT sum(count) FROM recordings), "
            "(SELECT count(*) FROM words)"
        ).fetchone()
        assert len(set(counted)) == 1


def test_the_file_is_the_owners_alone_and_holds_no_word(index: SqliteIndex) -> None:
    index.learn([learnt("rec1")])

    assert stat.S_IMODE(index.path.stat().st_mode) == 0o600
    data = everything(index.path).lower()
    assert b"marmalad" not in data
    assert b"usr_1" in data, "ids are in it"
    assert token(KEY, "marmalade") in data, "this search would find a word"


def test_what_is_forgotten_leaves_no_token_in_the_file(index: SqliteIndex) -> None:
    index.learn([learnt("rec1", "marmalade"), learnt("rec2", "wombat")])
    assert token(KEY, "marmalade") in everything(index.path)

    assert index.forget("rec1")

    assert token(KEY, "marmalade") not in everything(index.path)
    assert token(KEY, "wombat") in everything(index.path)
    assert (ids(index, "marmalade"), len(ids(index, "wombat"))) == ([], EACH)
    assert not index.forget("rec1")


def test_words_that_are_learnt_anew_leave_no_token_of_the_old_ones(index: SqliteIndex) -> None:
    index.learn([learnt("rec1", "marmalade")])

    index.learn([learnt("rec1", "wombat")])

    assert token(KEY, "marmalade") not in everything(index.path)
    assert ids(index, "marmalade") == []


def test_of_a_large_index_a_part_is_merged_at_once_and_the_rest_at_night(
    index: SqliteIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searchsqlite, "SMALL_BYTES", 0)
    monkeypatch.setattr(searchsqlite, "_PAGES", 1)
    for number in range(40):
        index.learn([learnt(f"rec{number}", f"word{number}")])
    for number in range(0, 40, 2):
        index.forget(f"rec{number}")
    assert ids(index, "word2") == []
    with closing(sqlite3.connect(index.path)) as opened:
        rows = opened.execute("SELECT count(*) FROM segments").fetchone()
    assert rows == (20 * EACH,), "which utterance a token was of is gone at once"

    index.tidy(whole=True)

    data = everything(index.path)
    assert not [number for number in range(0, 40, 2) if token(KEY, f"word{number}") in data]
    assert all(token(KEY, f"word{number}") in data for number in range(1, 40, 2))
    ensure_sound(index.path)


def test_two_processes_learn_at_once_and_a_kill_leaves_the_index_whole(tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    index = SqliteIndex(path, lambda: KEY)
    index.learn([learnt("own")])
    beside = [
        subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "tests.server.searching", str(path), str(first)],
            stdout=subprocess.PIPE, text=True,
        )
        for first in (0, 4)
    ]  # fmt: skip
    try:
        for each in beside:
            assert each.stdout is not None
            assert each.stdout.readline() == "LEARNT\n"
        for number in range(3):
            index.learn([learnt("own", f"own{number}")])
    finally:
        for each in beside:
            each.kill()
            each.wait()
            assert each.stdout is not None
            each.stdout.close()

    ensure_sound(path)
    recordings = index.recordings()
    assert {"own", "rec0", "rec4"} <= recordings
    for recording in recordings:
        assert ids(index, recording) == [recording] * EACH, "all of a recording or nothing"
    index.close()


@pytest.mark.parametrize("how", ["no database", "cut off", "another format", "another key"])
def test_an_index_that_cannot_be_used_is_made_anew_and_filled(staffed: Store, how: str) -> None:
    made = spoken(staffed, 1, SAID, agent=KARI)
    index = index_of(staffed)
    index.close()
    key = index._key
    match how:
        case "no database":
            index.path.write_bytes(b"words " * 2_000)
        case "cut off":
            index.path.write_bytes(index.path.read_bytes()[:5_000])
        case "another format":
            with closing(sqlite3.connect(index.path)) as opened:
                opened.execute("PRAGMA user_version = 99")
        case _:
            key = lambda: b"other key" * 4  # noqa: E731
    fresh = SqliteIndex(index.path, key)
    if how != "cut off":  # full text tells only when it is searched
        with pytest.raises(Damaged):
            fresh.recordings()
    object.__setattr__(staffed, "search", fresh)
    if how == "cut off":
        with pytest.raises(Damaged):
            hits(staffed, "wombat")

    assert keep_up(staffed, utc_now())
    assert fresh.is_awaiting(), "the page says that it is being built"
    assert fresh.progress() == (0, 1)
    assert [row.ref for row in rig.rows(staffed, outbox.select())] == [made.call]
    study.study(staffed, made.call, utc_now())

    assert not fresh.is_awaiting()
    assert hits(staffed, "wombat") == ["1/0", "1/1"]
    assert not keep_up(staffed, utc_now()), "once is enough"
    fresh.close()


def test_a_missing_index_is_filled_when_the_installation_is_opened(tmp_path: Path) -> None:
    node = Node.open(tmp_path / "data", Scripted(), works=False)
    employ(node.store)
    spoken(node.store, 1, SAID)
    path = index_of(node.store).path
    node.close()
    for each in path.parent.glob("search.db*"):
        each.unlink()

    node = Node.open(tmp_path / "data", Scripted())
    try:
        node.jobs.wait()
        assert hits(node.store, "wombat") == ["1/0", "1/1"]
        assert not node.store.search.is_awaiting()
    finally:
        node.close()


def test_an_erasure_takes_the_tokens_with_it_whatever_else_is_searched(staffed: Store) -> None:
    gone = spoken(staffed, 1, SAID)
    spoken(staffed, 2, [("contact", "A pelican.")])
    key = staffed.keys.search_key()
    words = [token(key, word) for word in ("wombat", "marmalade")]
    assert all(word in everything(index_of(staffed).path) for word in words)
    with transaction(staffed.engine) as connection:
        erasure.intend(staffed, connection, gone.recording, "asked", utc_now())

    assert erasure.carry_out(staffed, utc_now()) == 1

    data = everything(index_of(staffed).path)
    assert not [word for word in words if word in data]
    assert gone.recording.encode() not in data
    assert token(key, "pelican") in data


def test_an_erasure_does_not_wait_for_an_index_that_is_damaged(staffed: Store) -> None:
    gone = spoken(staffed, 1, SAID)
    with transaction(staffed.engine) as connection:
        erasure.intend(staffed, connection, gone.recording, "asked", utc_now())
    staffed.search.close()
    index_of(staffed).path.write_bytes(b"words " * 2_000)

    assert erasure.carry_out(staffed, utc_now()) == 1

    assert staffed.search.recordings() == frozenset()
    assert not staffed.search.is_ordered(), "the next start or night fills it"


def test_at_night_what_is_not_in_step_is_ordered_anew(staffed: Store) -> None:
    lost = spoken(staffed, 1, SAID, learns=False)
    held = spoken(staffed, 2, SAID)
    spoken(staffed, 3, SAID)
    rig.change(staffed, held.recording, state="quarantined")

    assert sweep(staffed, utc_now()) == 2

    for row in rig.rows(staffed, outbox.select()):
        study.study(staffed, row.ref, utc_now())
    assert hits(staffed, "marmalade") == ["3/1", "1/1"]
    assert held.recording not in staffed.search.recordings()
    assert lost.recording in staffed.search.recordings()
    assert sweep(staffed, utc_now()) == 0


def test_a_recording_without_words_is_not_awaited_for_ever(staffed: Store) -> None:
    spoken(staffed, 1, [], learns=False)

    assert rebuild(staffed, utc_now()) == 1
    study.study(staffed, f"call_{1:032x}", utc_now())

    assert not staffed.search.is_awaiting()


def test_the_index_is_made_anew_by_a_command_while_others_have_it_open(
    staffed: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    made = spoken(staffed, 1, SAID)
    key = staffed.keys.search_key()

    assert main(["search", "rebuild", "--data", str(staffed.folder), "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == {"recordings": 1}
    assert hits(staffed, "wombat") == []
    assert token(key, "wombat") not in everything(index_of(staffed).path)
    study.study(staffed, made.call, utc_now())
    assert hits(staffed, "wombat") == ["1/0", "1/1"]
    ensure_sound(index_of(staffed).path)


def test_calls_of_the_same_moment_have_rows_of_their_own(index: SqliteIndex) -> None:
    index.learn([learnt("rec1"), learnt("rec2"), learnt("rec1")])
    index.forget("rec1")

    assert ids(index, "marmalade") == ["rec2"] * EACH
    ensure_sound(index.path)


def test_no_backup_holds_the_index(staffed: Store, tmp_path: Path) -> None:
    spoken(staffed, 1, SAID)

    backup.make(staffed, tmp_path / "backup", utc_now() + timedelta(seconds=1))

    assert index_of(staffed).path.is_file()
    assert not list((tmp_path / "backup").rglob("search.db*"))


def test_a_disk_that_cannot_be_written_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "search.db").mkdir()
    index = SqliteIndex(tmp_path / "search.db", lambda: KEY)

    with pytest.raises(Unavailable) as told:
        index.recordings()

    assert not isinstance(told.value, Damaged)


def test_the_key_is_made_once_and_kept_in_the_key_store(staffed: Store) -> None:
    assert len(staffed.keys.search_key()) == 32
    assert staffed.keys.search_key() == staffed.keys.search_key() != staffed.keys.list_key()


def test_what_was_found_names_the_call_and_its_agent(staffed: Store) -> None:
    made = spoken(staffed, 1, SAID, agent=KARI)

    (call,) = found(staffed, "wombat").calls

    assert (call.call, call.recording, call.agent, call.language) == (
        made.call, made.recording, KARI, "en",
    )  # fmt: skip
    assert call.created_at == AT + timedelta(hours=1)
    assert transcripts.current(staffed, call.recording)
