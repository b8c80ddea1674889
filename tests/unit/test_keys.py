"""Keys: who may read the one in the file, what wraps what, and that destroyed means destroyed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from askfirst.errors import InvalidInput, KeyUnreadable, Misconfigured, Refused, Unavailable
from askfirst.server.keys import KeyFile, KeyStore

KEY = bytes(range(32))


@pytest.fixture
def key_file(tmp_path: Path) -> KeyFile:
    return KeyFile.create(tmp_path / "master.key")


@pytest.fixture
def store(tmp_path: Path, key_file: KeyFile) -> Iterator[KeyStore]:
    opened = KeyStore(tmp_path / "keys.db", key_file)
    yield opened
    opened.close()


def add(store: KeyStore, key_id: str = "rec_01/audio", recording: str = "rec_01") -> bytes:
    return store.create(key_id, recording=recording, kind="audio", segment_bytes=65536)


def bytes_on_disk(folder: Path) -> bytes:
    """Everything that the key store's files hold at this moment."""
    return b"".join(path.read_bytes() for path in sorted(folder.glob("keys.db*")))


def wrapped_bytes(folder: Path) -> list[bytes]:
    """What lies in the column of wrapped keys."""
    connection = sqlite3.connect(folder / "keys.db")
    rows = connection.execute("SELECT wrapped FROM keys ORDER BY id").fetchall()
    connection.close()
    return [row[0] for row in rows]


# The key file


def test_a_missing_key_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(KeyUnreadable, match="No such file"):
        KeyFile(tmp_path / "none")


def test_a_folder_instead_of_a_key_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(KeyUnreadable, match="cannot be read"):
        KeyFile(tmp_path)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_key_file_of_another_length_is_unreadable(tmp_path: Path, size: int) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(b"k" * size)
    path.chmod(0o600)
    with pytest.raises(KeyUnreadable, match=f"holds {size} bytes, expected exactly 32"):
        KeyFile(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o777])
def test_a_key_file_that_others_can_reach_is_refused_with_the_command(
    tmp_path: Path, mode: int
) -> None:
    path = tmp_path / "master.key"
    KeyFile.create(path)
    path.chmod(mode)
    with pytest.raises(Misconfigured, match=f"mode {mode:04o}.*Run: chmod 600"):
        KeyFile(path)


def test_a_new_key_file_is_for_its_owner_alone_and_random(tmp_path: Path) -> None:
    KeyFile.create(tmp_path / "one")
    KeyFile.create(tmp_path / "two")
    one, two = (tmp_path / "one").read_bytes(), (tmp_path / "two").read_bytes()
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o600
    assert len(one) == len(two) == 32
    assert one != two
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_a_key_file_is_never_made_over_another(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    KeyFile.create(path)
    before = path.read_bytes()
    with pytest.raises(Refused, match="already exists"):
        KeyFile.create(path)
    assert path.read_bytes() == before


def test_a_key_file_in_a_folder_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="make the key file"):
        KeyFile.create(tmp_path / "none" / "master.key")


def test_open_or_create_makes_a_key_once(tmp_path: Path) -> None:
    first = KeyFile.open_or_create(tmp_path / "master.key")
    again = KeyFile.open_or_create(tmp_path / "master.key")
    assert again.unwrap(first.wrap(KEY, "a"), "a") == KEY


def test_a_wrapped_key_opens_under_its_context_alone(key_file: KeyFile) -> None:
    wrapped = key_file.wrap(KEY, "recording one")
    assert key_file.unwrap(wrapped, "recording one") == KEY
    with pytest.raises(KeyUnreadable, match="something else"):
        key_file.unwrap(wrapped, "recording two")


def test_a_wrapped_key_is_aes_256_gcm_behind_a_version_byte(tmp_path: Path) -> None:
    wrapped = KeyFile.create(tmp_path / "k").wrap(KEY, "context")
    cipher = AESGCM((tmp_path / "k").read_bytes())
    assert wrapped[:1] == b"\x01"
    assert cipher.decrypt(wrapped[1:13], wrapped[13:], b"context") == KEY


def test_wrapping_twice_never_gives_the_same_bytes(key_file: KeyFile) -> None:
    assert key_file.wrap(KEY, "a") != key_file.wrap(KEY, "a")


def test_a_wrapped_key_does_not_open_with_another_key_file(
    tmp_path: Path, key_file: KeyFile
) -> None:
    other = KeyFile.create(tmp_path / "other.key")
    with pytest.raises(KeyUnreadable, match=r"other\.key .* does not open"):
        other.unwrap(key_file.wrap(KEY, "a"), "a")


def test_changed_cut_and_foreign_wrapped_bytes_are_unreadable(key_file: KeyFile) -> None:
    wrapped = key_file.wrap(KEY, "a")
    for place in range(len(wrapped)):
        changed = bytearray(wrapped)
        changed[place] ^= 1
        with pytest.raises(KeyUnreadable):
            key_file.unwrap(bytes(changed), "a")
        with pytest.raises(KeyUnreadable):
            key_file.unwrap(wrapped[:place], "a")


def test_a_description_tells_keys_apart_and_shows_none(tmp_path: Path) -> None:
    one, two = KeyFile.create(tmp_path / "one"), KeyFile.create(tmp_path / "two")
    assert one.describe().split("(")[1] != two.describe().split("(")[1]
    assert (tmp_path / "one").read_bytes().hex()[:8] not in one.describe()


# The store


def test_a_key_that_was_never_made_is_unreadable(store: KeyStore) -> None:
    with pytest.raises(KeyUnreadable, match="no key rec_01/audio"):
        store.get("rec_01/audio")
    with pytest.raises(KeyUnreadable, match="no key rec_01/audio"):
        store.describe("rec_01/audio")


def test_keys_are_unreadable_with_another_key_file(tmp_path: Path, store: KeyStore) -> None:
    add(store)
    store.salt("rec_01")
    store.signing_seed()
    stranger = KeyStore(tmp_path / "keys.db", KeyFile.create(tmp_path / "other.key"))
    with pytest.raises(KeyUnreadable):
        stranger.get("rec_01/audio")
    with pytest.raises(KeyUnreadable):
        stranger.salt("rec_01")
    with pytest.raises(KeyUnreadable):
        stranger.signing_seed()
    stranger.close()


def test_a_key_moved_to_another_row_is_unreadable(tmp_path: Path, store: KeyStore) -> None:
    add(store, "rec_01/audio", "rec_01")
    add(store, "rec_02/audio", "rec_02")
    connection = sqlite3.connect(tmp_path / "keys.db")
    connection.execute(
        "UPDATE keys SET wrapped = (SELECT wrapped FROM keys WHERE id = 'rec_01/audio')"
    )
    connection.commit()
    connection.close()
    assert len(store.get("rec_01/audio")) == 32
    with pytest.raises(KeyUnreadable):
        store.get("rec_02/audio")


def test_a_key_is_given_again_after_reopening(tmp_path: Path, key_file: KeyFile) -> None:
    first = KeyStore(tmp_path / "keys.db", key_file)
    key = add(first)
    first.close()
    second = KeyStore(tmp_path / "keys.db", KeyFile(tmp_path / "master.key"))
    assert second.get("rec_01/audio") == key
    assert len(key) == 32
    second.close()


def test_every_key_is_another(store: KeyStore) -> None:
    assert add(store, "rec_01/audio") != add(store, "rec_01/peaks")


def test_no_key_lies_in_the_file_in_the_clear(tmp_path: Path, store: KeyStore) -> None:
    secrets = [add(store), store.salt("rec_01"), store.signing_seed()]
    held = bytes_on_disk(tmp_path)
    assert wrapped_bytes(tmp_path)[0] in held
    assert not any(secret in held for secret in secrets)


def test_the_store_is_for_its_owner_alone(tmp_path: Path, store: KeyStore) -> None:
    add(store)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("keys.db*")}
    assert modes == {"keys.db": 0o600, "keys.db-wal": 0o600, "keys.db-shm": 0o600}


def test_a_taken_id_is_refused_and_its_key_stays(store: KeyStore) -> None:
    key = add(store)
    with pytest.raises(Refused, match="already a key"):
        add(store)
    assert store.get("rec_01/audio") == key


def test_what_is_known_of_a_key_needs_no_unwrapping(tmp_path: Path, key_file: KeyFile) -> None:
    at = datetime(2026, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    store = KeyStore(tmp_path / "keys.db", key_file, now=lambda: at)
    add(store)
    store.salt("rec_01")
    known = store.describe("rec_01/audio")
    assert (known.kind, known.recording, known.segment_bytes) == ("audio", "rec_01", 65536)
    assert known.created_at == datetime(2026, 2, 28, 22, 30, tzinfo=UTC)
    assert known.created_at.tzinfo is UTC
    assert store.of_recording("rec_01") == [known]
    store.close()


def test_a_naive_time_is_refused_and_nothing_is_stored(tmp_path: Path, key_file: KeyFile) -> None:
    naive = datetime(2026, 3, 1)  # noqa: DTZ001  # the very thing that must be refused
    store = KeyStore(tmp_path / "keys.db", key_file, now=lambda: naive)
    with pytest.raises(InvalidInput, match="naive"):
        add(store)
    assert store.of_recording("rec_01") == []
    store.close()


@pytest.mark.parametrize("name", ["", "salt:rec_01", "ledger:seed", "a b", "../x\n", "é"])
def test_names_outside_the_alphabet_are_refused_everywhere(store: KeyStore, name: str) -> None:
    with pytest.raises(InvalidInput):
        add(store, name)
    with pytest.raises(InvalidInput):
        add(store, "a", name)
    for method in (
        store.get,
        store.describe,
        store.salt,
        store.destroy,
        store.destroy_salt,
        store.destroy_recording,
        store.of_recording,
    ):
        with pytest.raises(InvalidInput):
            method(name)


def test_a_salt_stays_the_same_and_belongs_to_one_scope(store: KeyStore) -> None:
    assert store.salt("rec_01") == store.salt("rec_01")
    assert store.salt("rec_01") != store.salt("con_01")
    assert len(store.salt("con_01")) == 32


def test_the_signing_seed_is_made_once(tmp_path: Path, store: KeyStore, key_file: KeyFile) -> None:
    seed = store.signing_seed()
    other = KeyStore(tmp_path / "keys.db", key_file)
    assert other.signing_seed() == seed
    assert len(seed) == 32
    other.close()


def test_a_destroyed_recording_leaves_no_key_and_no_byte(tmp_path: Path, store: KeyStore) -> None:
    add(store, "rec_01/audio")
    add(store, "rec_01/peaks")
    salt = store.salt("rec_01")
    doomed = wrapped_bytes(tmp_path)
    kept = add(store, "rec_02/audio", "rec_02")
    assert all(wrapped in bytes_on_disk(tmp_path) for wrapped in doomed)

    assert store.destroy_recording("rec_01") == 3

    held = bytes_on_disk(tmp_path)
    assert not any(wrapped in held or wrapped[13:29] in held for wrapped in doomed)
    for key_id in ("rec_01/audio", "rec_01/peaks"):
        with pytest.raises(KeyUnreadable, match="destroyed"):
            store.get(key_id)
    assert store.get("rec_02/audio") == kept
    assert store.salt("rec_01") != salt


def test_a_destroyed_key_leaves_no_byte_and_the_others_alone(
    tmp_path: Path, store: KeyStore
) -> None:
    add(store, "rec_01/audio")
    doomed = wrapped_bytes(tmp_path)[0]
    kept = add(store, "rec_01/peaks")
    assert store.destroy("rec_01/audio")
    assert not store.destroy("rec_01/audio")
    assert doomed not in bytes_on_disk(tmp_path)
    assert store.get("rec_01/peaks") == kept


def test_a_destroyed_salt_is_replaced_by_a_new_one(tmp_path: Path, store: KeyStore) -> None:
    salt = store.salt("con_01")
    doomed = wrapped_bytes(tmp_path)[0]
    assert store.destroy_salt("con_01")
    assert not store.destroy_salt("con_01")
    assert doomed not in bytes_on_disk(tmp_path)
    assert store.salt("con_01") != salt


def test_an_erased_recording_gets_no_new_key(store: KeyStore) -> None:
    add(store)
    store.destroy_recording("rec_01")
    with pytest.raises(Refused, match="was erased"):
        add(store, "rec_01/late")
    assert store.of_recording("rec_01") == []


def test_erasing_again_is_fine_and_works_before_the_keys_come_back(store: KeyStore) -> None:
    assert store.destroy_recording("rec_01") == 0
    assert store.destroy_recording("rec_01") == 0


def test_an_erasure_is_not_called_done_while_a_reader_holds_the_log(
    tmp_path: Path, key_file: KeyFile
) -> None:
    store = KeyStore(tmp_path / "keys.db", key_file, busy_seconds=0)
    add(store)
    doomed = wrapped_bytes(tmp_path)[0]
    reader = sqlite3.connect(tmp_path / "keys.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM keys").fetchone()

    with pytest.raises(Unavailable, match="Repeat the deletion"):
        store.destroy_recording("rec_01")
    with pytest.raises(KeyUnreadable):
        store.get("rec_01/audio")
    assert doomed in bytes_on_disk(tmp_path)

    reader.close()
    assert store.destroy_recording("rec_01") == 0
    assert doomed not in bytes_on_disk(tmp_path)
    store.close()


def test_a_locked_store_is_reported_and_unchanged(tmp_path: Path, key_file: KeyFile) -> None:
    store = KeyStore(tmp_path / "keys.db", key_file, busy_seconds=0)
    writer = sqlite3.connect(tmp_path / "keys.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        add(store)
    writer.close()
    assert store.of_recording("rec_01") == []
    store.close()


def test_rewrapping_keeps_every_secret_and_voids_the_old_key_file(
    tmp_path: Path, store: KeyStore, key_file: KeyFile
) -> None:
    before = (add(store), store.salt("rec_01"), store.signing_seed())
    old = wrapped_bytes(tmp_path)
    new_file = KeyFile.create(tmp_path / "new.key")

    assert store.rewrap(new_file) == 3

    assert (store.get("rec_01/audio"), store.salt("rec_01"), store.signing_seed()) == before
    held = bytes_on_disk(tmp_path)
    assert not any(wrapped in held for wrapped in old)
    outdated = KeyStore(tmp_path / "keys.db", key_file)
    with pytest.raises(KeyUnreadable):
        outdated.get("rec_01/audio")
    outdated.close()


def test_rewrapping_reaches_every_row_of_a_large_store(
    tmp_path: Path, store: KeyStore, key_file: KeyFile
) -> None:
    add(store)
    connection = sqlite3.connect(tmp_path / "keys.db")
    rows = [
        (f"rec_02/{n}", key_file.wrap(KEY, f"askfirst key 1 audio rec_02/{n} rec_02"))
        for n in range(2500)
    ]
    connection.executemany(
        "INSERT INTO keys SELECT ?, kind, 'rec_02', ?, segment_bytes, created_at FROM keys"
        " WHERE id = 'rec_01/audio'",
        rows,
    )
    connection.commit()
    connection.close()
    assert store.rewrap(KeyFile.create(tmp_path / "new.key")) == 2501
    assert all(store.get(f"rec_02/{n}") == KEY for n in (0, 999, 1000, 1001, 2499))
    assert not set(wrapped_bytes(tmp_path)) & {wrapped for _, wrapped in rows}


def test_a_rewrapping_that_fails_changes_nothing(
    tmp_path: Path, store: KeyStore, key_file: KeyFile
) -> None:
    key = add(store, "rec_01/audio")
    stranger = KeyStore(tmp_path / "keys.db", KeyFile.create(tmp_path / "other.key"))
    add(stranger, "rec_02/audio", "rec_02")
    before = wrapped_bytes(tmp_path)
    with pytest.raises(KeyUnreadable):
        store.rewrap(KeyFile.create(tmp_path / "new.key"))
    assert wrapped_bytes(tmp_path) == before
    assert store.get("rec_01/audio") == key
    stranger.close()


def test_a_file_that_is_no_key_store_is_reported_and_left_alone(
    tmp_path: Path, key_file: KeyFile
) -> None:
    path = tmp_path / "keys.db"
    path.write_bytes(b"not a database, but a long enough text to be taken for one" * 40)
    before = path.read_bytes()
    with pytest.raises(Unavailable, match="not a database"):
        KeyStore(path, key_file)
    assert path.read_bytes() == before


def test_a_store_in_a_folder_that_is_not_there_is_reported(
    tmp_path: Path, key_file: KeyFile
) -> None:
    with pytest.raises(Unavailable, match="open the key store"):
        KeyStore(tmp_path / "none" / "keys.db", key_file)


def test_threads_may_share_a_store(store: KeyStore) -> None:
    salts: list[bytes] = []

    def work(number: int) -> None:
        for turn in range(5):
            add(store, f"rec_01/{number}-{turn}")
        salts.append(store.salt("rec_01"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.of_recording("rec_01")) == 30
    assert len(salts) == 6
    assert len(set(salts)) == 1


OPEN_STORE = """
import sys
from pathlib import Path
from askfirst.server.keys import KeyFile, KeyStore
folder = Path(sys.argv[1])
"""

TWO_AT_ONCE = (
    OPEN_STORE
    + """
sys.stdin.readline()
store = KeyStore(folder / "keys.db", KeyFile.open_or_create(folder / "master.key"))
for number in range(20):
    store.create(f"rec_01/{sys.argv[2]}-{number}", recording="rec_01", kind="audio",
                 segment_bytes=4096)
print(store.salt("rec_01").hex(), store.signing_seed().hex(), flush=True)
store.close()
"""
)


def test_processes_that_start_together_make_one_store(tmp_path: Path) -> None:
    children = [
        subprocess.Popen(  # noqa: S603  # our own interpreter and the script above
            [sys.executable, "-c", TWO_AT_ONCE, str(tmp_path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b", "c")
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    told = [child.communicate()[0] for child in children]
    assert [child.returncode for child in children] == [0, 0, 0]
    assert len(set(told)) == 1
    store = KeyStore(tmp_path / "keys.db", KeyFile(tmp_path / "master.key"))
    assert len(store.of_recording("rec_01")) == 60
    assert told[0].split() == [store.salt("rec_01").hex(), store.signing_seed().hex()]
    store.close()


# A limit on file sizes stands for a full disk: the next write fails in the same place.
FULL_DISK = (
    OPEN_STORE
    + """
import resource
from askfirst.errors import Unavailable
store = KeyStore(folder / "keys.db", KeyFile(folder / "master.key"))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    for number in range(1000):
        key = store.create(f"rec_01/{number}", recording="rec_01", kind="audio", segment_bytes=64)
        print(key.hex())
except Unavailable as error:
    print(error)
try:
    print(len(store.of_recording("rec_01")))
finally:
    sys.stdout.flush()
"""
)


def test_a_full_disk_is_reported_and_leaves_nothing_half_written(
    tmp_path: Path, key_file: KeyFile
) -> None:
    script = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    done = subprocess.run(  # noqa: S603  # our own interpreter and the script above
        script, capture_output=True, text=True, check=True
    )
    *keys, message, count = done.stdout.splitlines()
    assert "Nothing was changed. Check free space" in message
    assert int(count) == len(keys) > 0
    store = KeyStore(tmp_path / "keys.db", key_file)
    assert [store.get(f"rec_01/{number}").hex() for number in range(len(keys))] == keys
    assert len(store.of_recording("rec_01")) == len(keys)
    add(store, "rec_01/after")
    store.close()


NO_ROOM_FOR_A_KEY_FILE = (
    OPEN_STORE
    + """
import resource
from askfirst.errors import Unavailable
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
try:
    KeyFile.create(folder / "master.key")
except Unavailable as error:
    print(error)
"""
)


def test_a_key_file_without_room_is_not_made_at_all(tmp_path: Path) -> None:
    script = [sys.executable, "-c", NO_ROOM_FOR_A_KEY_FILE, str(tmp_path)]
    done = subprocess.run(  # noqa: S603  # our own interpreter and the script above
        script, capture_output=True, text=True, check=True
    )
    assert "Raise the limit on file sizes" in done.stdout
    assert list(tmp_path.iterdir()) == []
