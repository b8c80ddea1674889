"""What every store of objects must do, run over each of them; then what only some can show."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import LocalStore, MemoryStore

from askfirst.errors import InvalidInput, Misconfigured, NotFound, Refused, Unavailable
from askfirst.server.blobs import (
    Blobs,
    BlobSource,
    LocalBlobs,
    ObjectBlobs,
    disk_trouble,
    remote_blobs,
)

STORES: dict[str, Callable[[Path], Blobs]] = {
    "local files": LocalBlobs,
    "obstore memory": lambda _: ObjectBlobs(MemoryStore()),
    "obstore local": lambda folder: ObjectBlobs(LocalStore(str(folder), mkdir=True)),
}

BAD_NAMES = [
    "",
    "/",
    "/etc/passwd",
    "..",
    "../a",
    "a/..",
    "a/../b",
    "a/./b",
    "a//b",
    "a/",
    ".new/lock",
    ".hidden",
    "a b",
    "a\\b",
    "a\n",
    "a\0",
    "A",
    "å",
    "a#1",
    "a%2fb",
    "a" * 101,
    "/".join("abcdefghi"),
]


@pytest.fixture(params=STORES)
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    made: Blobs = STORES[request.param](tmp_path / "root")
    return made


@pytest.mark.parametrize("data", [b"", b"x", b"sealed" * 1000, bytes(6_000_000)])
def test_what_was_put_is_read(blobs: Blobs, data: bytes) -> None:
    blobs.put_new("rec_01/audio.opus", data)
    assert blobs.read("rec_01/audio.opus") == data
    assert type(blobs.read("rec_01/audio.opus")) is bytes
    assert blobs.size("rec_01/audio.opus") == len(data)


def test_a_name_is_written_once(blobs: Blobs) -> None:
    blobs.put_new("a", b"first")
    with pytest.raises(Refused, match="written once"):
        blobs.put_new("a", b"second")
    assert blobs.read("a") == b"first"


def test_of_many_writers_at_once_one_wins_and_nothing_is_mixed(blobs: Blobs) -> None:
    won: list[bytes] = []
    refused: list[bytes] = []

    def put(data: bytes) -> None:
        try:
            blobs.put_new("rec_01/audio", data)
            won.append(data)
        except Refused:
            refused.append(data)

    threads = [threading.Thread(target=put, args=(bytes([n]) * 50_000,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [blobs.read("rec_01/audio")] == won
    assert len(refused) == 7
    assert blobs.names() == ["rec_01/audio"]


@given(size=st.integers(0, 40), offset=st.integers(0, 60), length=st.integers(0, 60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_range_is_that_slice_clipped(blobs: Blobs, size: int, offset: int, length: int) -> None:
    data = bytes(range(size))
    blobs.delete("r")
    blobs.put_new("r", data)
    assert blobs.read_range("r", offset, length) == data[offset : offset + length]


def test_a_range_that_cannot_be_is_refused(blobs: Blobs) -> None:
    blobs.put_new("a", b"abc")
    with pytest.raises(InvalidInput):
        blobs.read_range("a", -1, 2)
    with pytest.raises(InvalidInput):
        blobs.read_range("a", 0, -1)


def test_what_is_missing_is_not_found(blobs: Blobs) -> None:
    blobs.put_new("rec_01/audio", b"abc")
    for name in ("none", "rec_01/none", "rec_01"):
        with pytest.raises(NotFound, match="no object"):
            blobs.read(name)
        with pytest.raises(NotFound, match="no object"):
            blobs.read_range(name, 0, 1)
        with pytest.raises(NotFound, match="no object"):
            blobs.read_range(name, 0, 0)
        with pytest.raises(NotFound, match="no object"):
            blobs.size(name)


def test_a_deleted_object_is_gone_and_its_name_free(blobs: Blobs) -> None:
    blobs.put_new("rec_01/audio", b"old")
    blobs.put_new("rec_01/peaks", b"stays")
    blobs.delete("rec_01/audio")
    with pytest.raises(NotFound):
        blobs.read("rec_01/audio")
    assert blobs.names() == ["rec_01/peaks"]
    blobs.put_new("rec_01/audio", b"new")
    assert blobs.read("rec_01/audio") == b"new"


def test_deleting_what_is_missing_is_fine(blobs: Blobs) -> None:
    blobs.delete("none")
    blobs.delete("rec_01/none")
    assert blobs.names() == []


def test_names_come_sorted_and_all(blobs: Blobs) -> None:
    expected = sorted(f"rec_{number:03}/{kind}" for number in range(60) for kind in ("a", "b.c"))
    for name in reversed(expected):
        blobs.put_new(name, b"")
    assert blobs.names() == expected


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_outside_the_alphabet_is_refused_everywhere(blobs: Blobs, name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot name an object"):
        blobs.put_new(name, b"")
    with pytest.raises(InvalidInput, match="cannot name an object"):
        blobs.read(name)
    with pytest.raises(InvalidInput, match="cannot name an object"):
        blobs.read_range(name, 0, 1)
    with pytest.raises(InvalidInput, match="cannot name an object"):
        blobs.size(name)
    with pytest.raises(InvalidInput, match="cannot name an object"):
        blobs.delete(name)
    assert blobs.names() == []


def test_an_object_is_a_source_to_read_from_at_any_place(blobs: Blobs) -> None:
    blobs.put_new("a", b"0123456789")
    source = BlobSource(blobs, "a")
    assert source.size == 10
    assert source.read_at(7, 100) == b"789"
    with pytest.raises(NotFound):
        BlobSource(blobs, "none")


# Local files


def test_a_local_object_is_for_its_owner_alone(tmp_path: Path) -> None:
    LocalBlobs(tmp_path / "root").put_new("rec_01/audio", b"x")
    assert (tmp_path / "root/rec_01/audio").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "root/rec_01").stat().st_mode & 0o777 == 0o700


def test_local_objects_are_there_after_reopening(tmp_path: Path) -> None:
    LocalBlobs(tmp_path).put_new("a/b", b"x")
    assert LocalBlobs(tmp_path).read("a/b") == b"x"


def test_a_local_object_is_never_also_a_folder(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    blobs.put_new("a", b"x")
    blobs.put_new("b/c", b"x")
    for name in ("a/b", "a/b/c", "b"):
        with pytest.raises(Refused, match="in the way"):
            blobs.put_new(name, b"y")
    with pytest.raises(NotFound):
        blobs.read("a/b")
    blobs.delete("a/b")
    assert blobs.names() == ["a", "b/c"]


def test_deleting_a_name_that_is_a_local_folder_leaves_what_is_in_it(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    blobs.put_new("b/c", b"x")
    blobs.delete("b")
    assert blobs.read("b/c") == b"x"


def test_files_of_others_are_no_objects(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    blobs.put_new("a", b"x")
    (tmp_path / "Thumbs.DB").write_bytes(b"")
    (tmp_path / ".DS_Store").write_bytes(b"")
    assert blobs.names() == ["a"]


KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from askfirst.server.blobs import LocalBlobs
blobs = LocalBlobs(Path(sys.argv[1]))
Path.hardlink_to = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
blobs.put_new("rec_01/audio", bytes(100_000))
"""


def test_a_writer_killed_before_the_end_leaves_no_object_and_is_swept(tmp_path: Path) -> None:
    script = [sys.executable, "-c", KILLED_WRITER, str(tmp_path)]
    killed = subprocess.run(script, check=False)  # noqa: S603  # our own interpreter and script
    assert killed.returncode == -9
    left = list(tmp_path.glob(".new/*.part"))
    assert [path.stat().st_size for path in left] == [100_000]

    blobs = LocalBlobs(tmp_path)

    assert blobs.names() == []
    assert list(tmp_path.glob(".new/*.part")) == []
    blobs.put_new("rec_01/audio", b"again")
    assert blobs.read("rec_01/audio") == b"again"


WRITER_AT_WORK = """
import sys
from pathlib import Path
from askfirst.server.blobs import LocalBlobs
blobs = LocalBlobs(Path(sys.argv[1]))
link = Path.hardlink_to
def wait_and_link(path, target):
    print("written", flush=True)
    sys.stdin.readline()
    link(path, target)
Path.hardlink_to = wait_and_link
blobs.put_new("rec_01/audio", b"whole")
"""


def test_the_sweep_spares_a_writer_at_work(tmp_path: Path) -> None:
    child = subprocess.Popen(  # noqa: S603  # our own interpreter and the script above
        [sys.executable, "-c", WRITER_AT_WORK, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "written\n"
    blobs = LocalBlobs(tmp_path)
    child.communicate("go\n")
    assert child.returncode == 0
    assert blobs.read("rec_01/audio") == b"whole"


# A limit on file sizes stands for a full disk: the next write fails in the same place.
FULL_DISK = """
import resource, sys
from pathlib import Path
from askfirst.errors import Unavailable
from askfirst.server.blobs import LocalBlobs
blobs = LocalBlobs(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
blobs.put_new("rec_01/small", b"fits")
try:
    blobs.put_new("rec_01/audio", bytes(60_000))
except Unavailable as error:
    print(error)
"""


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path: Path) -> None:
    script = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    done = subprocess.run(  # noqa: S603  # our own interpreter and the script above
        script, capture_output=True, text=True, check=True
    )
    assert "nothing was kept: File too large. Raise the limit on file sizes" in done.stdout
    assert list(tmp_path.glob(".new/*.part")) == []
    assert LocalBlobs(tmp_path).names() == ["rec_01/small"]


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "No space left on device. Free space"),
        (errno.EDQUOT, "Raise the disk quota"),
        (errno.EROFS, "Read-only file system. Mount that file system writable"),
        (errno.EACCES, "Permission denied. Give the service's user access"),
        (errno.ENODEV, "Check the disk and its mount"),
    ],
)
def test_trouble_with_a_disk_is_told_with_what_to_do(number: int, advice: str) -> None:
    told = str(disk_trouble("store 'a'", OSError(number, os.strerror(number))))
    assert told.startswith("Could not store 'a': ")
    assert advice in told


def test_a_root_that_is_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable, match="prepare the folder"):
        LocalBlobs(tmp_path / "file")


# Remote stores


def dead_address() -> str:
    """An address on this machine where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{sock.getsockname()[1]}"


def test_a_dead_store_is_reported_and_shows_no_secret() -> None:
    blobs = remote_blobs(
        "s3://bucket/prefix",
        {
            "endpoint": dead_address(),
            "region": "eu-north-1",
            "access_key_id": "someone",
            "secret_access_key": "hidden-word",
            "allow_http": "true",
        },
    )
    with pytest.raises(
        Unavailable, match=r"Could not read 'a': .*Check that the store runs"
    ) as told:
        blobs.read("a")
    assert "hidden-word" not in str(told.value)
    assert "\n" not in str(told.value)


class HeadersOnly(BaseHTTPRequestHandler):
    """A store in trouble: knows an object of ten bytes and refuses to give any of them."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "10")
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()

    def do_GET(self) -> None:
        self.send_error(403)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_range_that_the_store_withholds_is_not_taken_for_the_end() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), HeadersOnly) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        blobs = remote_blobs(
            "s3://bucket",
            {
                "endpoint": f"http://127.0.0.1:{server.server_port}",
                "region": "eu-north-1",
                "access_key_id": "someone",
                "secret_access_key": "hidden-word",
                "allow_http": "true",
            },
        )
        try:
            assert blobs.size("a") == 10
            with pytest.raises(Unavailable, match="credentials"):
                blobs.read_range("a", 2, 3)
            assert blobs.read_range("a", 10, 3) == b""
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("not an address", {}),
        ("ftp://example.org/x", {}),
        ("s3://bucket", {"no_such_option": "x"}),
    ],
)
def test_an_address_that_names_no_store_is_refused(url: str, options: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match="Expected s3://"):
        remote_blobs(url, options)


def test_a_remote_address_without_tls_needs_to_be_allowed() -> None:
    options = {"endpoint": "http://127.0.0.1:9000", "region": "eu-north-1"}
    with pytest.raises(Misconfigured, match="allow_http"):
        remote_blobs("s3://bucket", options)
    remote_blobs("s3://bucket", {**options, "allow_http": "true"})
