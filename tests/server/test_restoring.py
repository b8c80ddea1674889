"""A backup is worth what was restored of it: drilled here with the real command line."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.server import rig
from tests.server.people import draft, meet
from tests.server.rig import NORWAY

from askfirst.errors import InvalidInput, NotFound, Refused
from askfirst.server import backup, backupmanifest, restoring, subjectrights
from askfirst.server.account import change
from askfirst.server.backupmanifest import MANIFEST
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.erasurelist import Listed
from askfirst.server.node import Node
from askfirst.server.playback import Playback
from askfirst.server.store import Store
from askfirst.speech.scripted import Scripted

NAME = "Zebra Nilsen"


def askfirst(*words: object) -> tuple[int, Any, str]:
    """Give a command in a process of its own: exit status, document and complaint."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "askfirst.cli", *map(str, words), "--json"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout or "null"), done.stderr


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, str]:
    """The folder of an installation with a recording and a contact, and the recording's id."""
    node = Node.open(tmp_path / "data", Scripted())
    made = rig.record(node, tmp_path / "callee")
    meet(node.store, draft(NAME, NORWAY))
    node.close()
    return tmp_path / "data", made.id


@pytest.fixture
def made(kept: tuple[Path, str], tmp_path: Path) -> Path:
    """A backup without its key."""
    folder, _ = kept
    store = Store.open(folder)
    backup.make(store, tmp_path / "backup", utc_now())
    store.close()
    return tmp_path / "backup"


def erase(folder: Path) -> None:
    store = Store.open(folder)
    with reading(store.engine) as connection:
        person = subjectrights.who(connection, number=NORWAY)
    subjectrights.erase_person(store, person, None, utc_now(), dry_run=False)
    store.close()


def files_with(folder: Path, text: bytes) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


def test_the_drill_by_command_line(kept: tuple[Path, str], tmp_path: Path) -> None:
    folder, recording = kept
    key, copy, again = folder / "keys" / "master.key", tmp_path / "backup", tmp_path / "again"
    master = key.read_bytes()

    status, told, _ = askfirst("backup", "make", copy, "--data", folder)
    assert (status, told["with_key"]) == (0, False)
    assert files_with(copy, master) == []
    assert {path.stat().st_mode & 0o077 for path in [copy, *copy.rglob("*")]} == {0}

    status, told, _ = askfirst("restore", "check", copy, "--data", folder)
    assert (status, told["holds"], told["opened"]) == (0, True, 1)
    assert told["erased_again"] == {"recordings": 0, "calls": 0, "contacts": 0}

    status, told, _ = askfirst("erase", "--number", NORWAY, "--data", folder)
    assert status == 0
    assert datetime.fromisoformat(told["backups_void_at"]) > utc_now() + timedelta(days=13)
    status, told, _ = askfirst("restore", "check", copy, "--data", folder)
    assert (status, told["erased_again"]) == (0, {"recordings": 1, "calls": 1, "contacts": 1})

    status, told, _ = askfirst("keys", "status", "--data", folder)
    assert (status, told["backup_days"], told["tried_well"]) == (0, 14, True)

    (again / "erased").mkdir(parents=True)
    shutil.copy(folder / "erased" / "erased.db", again / "erased")
    status, told, complaint = askfirst("restore", copy, "--data", again, "--key", key)
    assert (status, told["erased_again"]["recordings"]) == (0, 1), complaint

    node = Node.open(again, Scripted())
    try:
        assert rig.recording_rows(node.store)[0].state == "erased"
        assert rig.key_ids(node.store) == []
        assert files_with(again, NAME.encode()) + files_with(again, NORWAY.encode()) == []
        kinds = rig.kinds(node.store)
        assert kinds.index("backup.restored") < kinds.index("erasure.replayed")
        with pytest.raises(Refused):
            Playback(node.store).play(recording, person="usr_1", purpose="x")
        node.store.ledger.verify()
    finally:
        node.close()


def test_what_was_not_erased_is_played_after_a_restore(
    kept: tuple[Path, str], made: Path, tmp_path: Path
) -> None:
    folder, recording = kept
    status, _, complaint = askfirst(
        "restore", made, "--data", tmp_path / "again", "--key", folder / "keys" / "master.key"
    )
    assert status == 0, complaint

    node = Node.open(tmp_path / "again", Scripted())

    assert Playback(node.store).play(recording, person="usr_1", purpose="training")
    assert (tmp_path / "again").stat().st_mode & 0o077 == 0
    node.close()


def damaged(folder: Path) -> None:
    (path,) = (folder / "objects").rglob("audio-*")
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def shortened(folder: Path) -> None:
    path = folder / "database" / "askfirst.db"
    path.write_bytes(path.read_bytes()[:-4096])


def no_database(folder: Path) -> None:
    (folder / "database" / "askfirst.db").unlink()


def no_keys(folder: Path) -> None:
    shutil.rmtree(folder / "keys")


def half(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def strange(folder: Path) -> None:
    (folder / MANIFEST).write_text('{"format": "askfirst backup 1", "files": {"../x": {}}}')


FAULTS: dict[Callable[[Path], None], str] = {
    damaged: "was changed",
    shortened: "bytes, expected",
    no_database: "askfirst.db is missing",
    no_keys: "keys.db is missing",
    half: "not finished",
    strange: "no manifest",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_backup_that_does_not_hold_is_found_and_never_restored(
    kept: tuple[Path, str], made: Path, tmp_path: Path, fault: Callable[[Path], None]
) -> None:
    folder, _ = kept
    fault(made)
    key = folder / "keys" / "master.key"

    status, told, _ = askfirst("restore", "check", made, "--data", folder)
    assert (status, told["holds"]) == (1, False)
    assert FAULTS[fault] in " ".join(told["faults"])
    status, _, complaint = askfirst("restore", made, "--data", tmp_path / "again", "--key", key)
    assert status == 3
    assert FAULTS[fault] in complaint
    assert {path.name for path in tmp_path.iterdir()} == {"data", "callee", "backup"}
    status, told, _ = askfirst("keys", "status", "--data", folder)
    assert (status, told["tried_well"]) == (0, False)


def test_a_wrong_key_and_none_are_said_and_nothing_is_restored(made: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.key"
    wrong.write_bytes(bytes(32))
    wrong.chmod(0o600)

    for key, said in ((wrong, "does not open"), (None, "--key"), (tmp_path / "none", "No such")):
        found = restoring.check(made, key)
        assert not found.holds
        assert said in found.faults[0]
        with pytest.raises(Refused, match="cannot be restored"):
            restoring.restore(made, tmp_path / "again", utc_now(), key)
    assert not (tmp_path / "again").exists()


def test_a_changed_ledger_is_found_even_where_every_hash_fits(
    kept: tuple[Path, str], made: Path
) -> None:
    path = made / "database" / "askfirst.db"
    with closing(sqlite3.connect(path)) as opened, opened:
        opened.execute("UPDATE ledger_entries SET entry = replace(entry, 'call', 'cell')")
    told = json.loads((made / MANIFEST).read_text())
    told["files"]["database/askfirst.db"] = {
        "sha256": backupmanifest.digest(path), "bytes": path.stat().st_size,
    }  # fmt: skip
    (made / MANIFEST).write_text(json.dumps(told))

    found = restoring.check(made, kept[0] / "keys" / "master.key")

    assert "ledger" in found.faults[0]


def test_checking_changes_nothing_of_a_backup(kept: tuple[Path, str], made: Path) -> None:
    before = {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}

    assert restoring.check(made, kept[0] / "keys" / "master.key").holds

    assert {path: path.read_bytes() for path in made.rglob("*") if path.is_file()} == before


def test_nothing_is_overwritten(kept: tuple[Path, str], made: Path) -> None:
    folder, _ = kept
    key = folder / "keys" / "master.key"

    with pytest.raises(Refused, match="not empty"):
        restoring.restore(made, folder, utc_now(), key)
    store = Store.open(folder)
    with pytest.raises(InvalidInput, match="not empty"):
        backup.make(store, made, utc_now())
    store.close()


def test_the_list_in_use_and_an_older_one_are_merged(
    kept: tuple[Path, str], made: Path, tmp_path: Path
) -> None:
    folder, _ = kept
    again, key = tmp_path / "again", folder / "keys" / "master.key"
    store = Store.open(folder)
    store.erasures.add(Listed.RECORDING, ["rec_of_the_list_in_use"], utc_now())
    store.close()
    (again / "erased").mkdir(parents=True)
    shutil.copy(folder / "erased" / "erased.db", again / "erased")
    erase(folder)

    restoring.restore(made, again, utc_now(), key, [folder / "erased" / "erased.db"])

    store = Store.open(again)
    assert "rec_of_the_list_in_use" in store.erasures.ids(Listed.RECORDING)
    assert len(store.erasures.ids(Listed.RECORDING)) == 2
    assert rig.recording_rows(store)[0].state == "erased"
    store.close()


def test_with_its_key_a_backup_needs_nothing_else_and_says_so(
    kept: tuple[Path, str], tmp_path: Path
) -> None:
    folder, _ = kept
    store = Store.open(folder)
    with transaction(store.engine) as connection:
        change(connection, {"backup_days": 30}, None, rig.AT)
    made = backup.make(store, tmp_path / "backup", utc_now(), with_key=True)
    store.close()

    assert made.with_key
    assert (made.keys_until - made.made_at).days == 30
    assert restoring.check(tmp_path / "backup").holds


def test_a_job_that_was_under_way_is_done_after_a_restore(
    kept: tuple[Path, str], tmp_path: Path
) -> None:
    folder, recording = kept
    store = Store.open(folder)
    rig.change(store, recording, state="checking")
    backup.make(store, tmp_path / "backup", utc_now(), with_key=True)
    store.close()
    restoring.restore(tmp_path / "backup", tmp_path / "again", utc_now())

    node = Node.open(tmp_path / "again", Scripted())
    node.jobs.wait()

    assert rig.recording_rows(node.store)[0].state == "ready"
    node.close()


def test_half_a_backup_is_none(tmp_path: Path) -> None:
    tmp_path.joinpath("half").mkdir()

    with pytest.raises(NotFound, match="not finished"):
        backupmanifest.manifest_of(tmp_path / "half")


@pytest.mark.parametrize("words", [["check"], ["a", "b"], ["check", "a", "b"]])
def test_words_that_are_no_folder_are_misuse(words: list[str], tmp_path: Path) -> None:
    status, _, complaint = askfirst("restore", *words, "--data", tmp_path / "again")

    assert status == 2
    assert "expected restore FOLDER" in complaint
