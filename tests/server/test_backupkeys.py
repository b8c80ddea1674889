"""What was erased is taken out of backups, too; those that cannot be reached are named."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.server import rig
from tests.server.killing import Steps, killed_at
from tests.server.rig import CALIFORNIA
from tests.server.test_restoring import askfirst, erase
from tests.server.test_restoring import kept as kept
from tests.server.test_restoring import made as made

from askfirst.server import backup, backupkeys, backupmanifest, durable, restoring
from askfirst.server.backupkeys import KEYS_FILE, NOTE, Problem
from askfirst.server.clock import utc_now
from askfirst.server.custody import MASTER
from askfirst.server.node import Node
from askfirst.server.store import Store
from askfirst.speech.scripted import Scripted


@pytest.fixture
def store(kept: tuple[Path, str], made: Path) -> Iterator[Store]:
    """An installation whose only recording was erased after a backup was made."""
    folder, _ = kept
    erase(folder)
    opened = Store.open(folder)
    yield opened
    opened.close()


def wrapped(folder: Path) -> dict[str, bytes]:
    """The wrapped keys in a backup by what they are for."""
    with closing(sqlite3.connect(folder / KEYS_FILE)) as opened:
        return dict(opened.execute("SELECT id, wrapped FROM keys"))


def test_the_keys_of_what_was_erased_are_gone_from_a_backup_that_still_holds(
    kept: tuple[Path, str], store: Store, made: Path
) -> None:
    folder, recording = kept
    before = wrapped(made)
    erased = {name for name in before if recording in name}
    assert erased

    (swept,) = backupkeys.sweep(store, utc_now())

    after = wrapped(made)
    assert swept.problem is None
    assert swept.removed == len(before) - len(after) >= len(erased)
    assert not erased & set(after)
    assert after.items() <= before.items()
    bytes_left = b"".join(path.read_bytes() for path in made.rglob("*") if path.is_file())
    assert [name for name in erased if before[name] in bytes_left] == []
    assert restoring.check(made, folder / "keys" / MASTER).faults == ()
    assert not (made / NOTE).exists()
    ((_, entry),) = [each for each in store.ledger.entries() if each[1]["kind"] == "backup.swept"]
    assert entry["data"] == {"count": swept.removed, "unreached": 0}


def test_a_swept_backup_is_restored_and_opens_what_was_not_erased(
    tmp_path: Path,
) -> None:
    node = Node.open(tmp_path / "data", Scripted())
    stays = rig.record(node, tmp_path / "one", number=CALIFORNIA)
    goes = rig.record(node, tmp_path / "two")
    backup.make(node.store, tmp_path / "backup", utc_now(), with_key=True)
    node.close()
    erase(tmp_path / "data")
    store = Store.open(tmp_path / "data")
    backupkeys.sweep(store, utc_now())
    store.close()

    found = restoring.restore(tmp_path / "backup", tmp_path / "again", utc_now())

    assert (found.opened, found.recordings) == (1, 1)
    again = Store.open(tmp_path / "again")
    assert again.keys.of_recording(stays.id)
    assert again.keys.of_recording(goes.id) == []
    again.close()


def test_sweeping_again_removes_nothing_and_enters_nothing(store: Store, made: Path) -> None:
    backupkeys.sweep(store, utc_now())
    content = {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}
    size = store.ledger.verify().size

    (swept,) = backupkeys.sweep(store, utc_now())

    assert (swept.removed, swept.problem) == (0, None)
    assert {path: path.read_bytes() for path in made.rglob("*") if path.is_file()} == content
    assert store.ledger.verify().size == size


def test_a_backup_that_was_moved_is_named_until_it_is_found_again(
    kept: tuple[Path, str], made: Path, tmp_path: Path
) -> None:
    folder, recording = kept
    erase(folder)
    made.rename(tmp_path / "elsewhere")

    status, told, _ = askfirst("backup", "sweep", "--data", folder)
    assert status == 1
    assert [(each["folder"], each["problem"]) for each in told] == [(str(made), "missing")]
    _, kept_how, _ = askfirst("keys", "status", "--data", folder)
    assert [each["folder"] for each in kept_how["out_of_reach"]] == [str(made)]

    askfirst("backup", "sweep", tmp_path / "elsewhere", "--data", folder)
    assert [name for name in wrapped(tmp_path / "elsewhere") if recording in name] == []

    (tmp_path / "elsewhere").rename(made)
    status, told, _ = askfirst("backup", "sweep", "--data", folder)
    assert (status, told[0]["problem"]) == (0, None)
    assert askfirst("keys", "status", "--data", folder)[1]["out_of_reach"] == []


def test_a_backup_without_its_keys_has_nothing_to_take_out(store: Store, made: Path) -> None:
    shutil.rmtree(made / "keys")

    (swept,) = backupkeys.sweep(store, utc_now())

    assert (swept.removed, swept.problem) == (0, None)


def test_a_backup_that_was_changed_is_left_alone_and_named(store: Store, made: Path) -> None:
    with (made / KEYS_FILE).open("ab") as file:
        file.write(b"x")
    before = (made / KEYS_FILE).read_bytes()

    (swept,) = backupkeys.sweep(store, utc_now())

    assert swept.problem is Problem.CHANGED
    assert (made / KEYS_FILE).read_bytes() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_backup_that_cannot_be_written_is_named(store: Store, made: Path) -> None:
    (made / "keys").chmod(0o500)
    try:
        (swept,) = backupkeys.sweep(store, utc_now())
    finally:
        (made / "keys").chmod(0o700)

    assert swept.problem is Problem.UNWRITABLE


STEPS: Steps = (
    (durable, "sync_folder"),
    (backupkeys, "_write"),
    (backupkeys, "_without"),
    (backupkeys, "sync_folder"),
    (Path, "replace"),
    (Path, "unlink"),
    (backupmanifest, "digest"),
)


def test_a_sweep_that_is_cut_off_anywhere_is_ended_by_the_next_one(
    kept: tuple[Path, str], store: Store, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, recording = kept
    beginning = made.with_name("beginning")
    shutil.copytree(made, beginning)
    for step in range(1, 100):
        shutil.rmtree(made)
        shutil.copytree(beginning, made)

        was_killed = killed_at(step, monkeypatch, STEPS, lambda: backupkeys.sweep(store, utc_now()))

        (swept,) = backupkeys.sweep(store, utc_now())

        assert swept.problem is None, step
        assert [name for name in wrapped(made) if recording in name] == [], step
        assert not list(made.rglob("*.part")), step
        assert not (made / NOTE).exists(), step
        assert restoring.check(made, folder / "keys" / MASTER).faults == (), step
        if not was_killed:
            assert step > 12
            return
    raise AssertionError("the sweep never ended")
