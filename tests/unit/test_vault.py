"""Sealed streams: what Tink reads and writes, what is refused, what survives a killed writer."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tink
from hypothesis import given, settings
from hypothesis import strategies as st
from tink import secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2

from askfirst.errors import InvalidInput, NotFound, Refused, Unavailable, Unverified
from askfirst.server.vault import (
    HEADER_BYTES,
    TAG_BYTES,
    BytesSource,
    FileSource,
    OpeningReader,
    SealingWriter,
    associated_data,
    open_sealed,
    recover,
    seal,
)

streaming_aead.register()

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
AD = associated_data(1, "rec_01", "spool")
SEGMENT_SIZES = [57, 64, 256, 4096, 65536]


def content(size: int) -> bytes:
    """Bytes in which no two places look alike."""
    return b"".join(i.to_bytes(4, "big") for i in range(size // 4 + 1))[:size]


def border_sizes(segment_bytes: int) -> list[int]:
    """Plaintext sizes around the ends of the first three segments."""
    first = segment_bytes - HEADER_BYTES - TAG_BYTES
    ends = [first + n * (segment_bytes - TAG_BYTES) for n in range(3)]
    return sorted({0, 1} | {end + d for end in ends for d in (-1, 0, 1)})


def tink_primitive(segment_bytes: int) -> Any:
    """Tink's own implementation with our key."""
    key = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(
        version=0,
        key_value=KEY,
        params=aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingParams(
            ciphertext_segment_size=segment_bytes,
            derived_key_size=32,
            hkdf_hash_type=common_pb2.SHA256,
        ),
    )
    keyset = tink_pb2.Keyset(primary_key_id=1)
    keyset.key.add(
        key_data=tink_pb2.KeyData(
            type_url="type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey",
            value=key.SerializeToString(),
            key_material_type=tink_pb2.KeyData.SYMMETRIC,
        ),
        status=tink_pb2.ENABLED,
        key_id=1,
        output_prefix_type=tink_pb2.RAW,
    )
    handle = tink.proto_keyset_format.parse(keyset.SerializeToString(), secret_key_access.TOKEN)
    return handle.primitive(streaming_aead.StreamingAead)


class KeptBytes(io.BytesIO):
    """A buffer whose content outlives `close`, which Tink calls."""

    kept = b""

    def close(self) -> None:
        self.kept = self.getvalue() if not self.closed else self.kept
        super().close()


def tink_sealed(plaintext: bytes, segment_bytes: int) -> bytes:
    sink = KeptBytes()
    with tink_primitive(segment_bytes).new_encrypting_stream(sink, AD) as stream:
        stream.write(plaintext)
    return sink.kept


def tink_opened(sealed: bytes, segment_bytes: int) -> bytes:
    with tink_primitive(segment_bytes).new_decrypting_stream(io.BytesIO(sealed), AD) as stream:
        plaintext: bytes = stream.read()
    return plaintext


def reader(sealed: bytes, segment_bytes: int) -> OpeningReader:
    return OpeningReader(BytesSource(sealed), KEY, AD, segment_bytes)


@pytest.mark.parametrize("segment_bytes", SEGMENT_SIZES)
def test_tink_reads_what_we_write_at_every_border(segment_bytes: int) -> None:
    for size in border_sizes(segment_bytes):
        sealed = seal(content(size), KEY, AD, segment_bytes)
        assert tink_opened(sealed, segment_bytes) == content(size)


@pytest.mark.parametrize("segment_bytes", SEGMENT_SIZES)
def test_we_read_what_tink_writes_at_every_border(segment_bytes: int) -> None:
    for size in border_sizes(segment_bytes):
        sealed = tink_sealed(content(size), segment_bytes)
        assert open_sealed(sealed, KEY, AD, segment_bytes) == content(size)


@given(size=st.integers(0, 20_000), segment_bytes=st.integers(57, 5000))
@settings(max_examples=60, deadline=None)
def test_both_implementations_agree_on_any_size(size: int, segment_bytes: int) -> None:
    sealed = seal(content(size), KEY, AD, segment_bytes)
    assert tink_opened(sealed, segment_bytes) == content(size)
    theirs = tink_sealed(content(size), segment_bytes)
    assert open_sealed(theirs, KEY, AD, segment_bytes) == content(size)
    assert len(theirs) == len(sealed)


@given(pieces=st.lists(st.binary(max_size=200), max_size=30))
@settings(deadline=None)
def test_how_a_stream_is_cut_into_writes_does_not_matter(pieces: list[bytes]) -> None:
    sink = io.BytesIO()
    writer = SealingWriter(sink, KEY, AD, 128, salt=b"s" * 32, nonce_prefix=b"n" * 7)
    for piece in pieces:
        writer.write(piece)
    writer.close()
    whole = io.BytesIO()
    writer = SealingWriter(whole, KEY, AD, 128, salt=b"s" * 32, nonce_prefix=b"n" * 7)
    writer.write(b"".join(pieces))
    writer.close()
    assert sink.getvalue() == whole.getvalue()
    assert open_sealed(sink.getvalue(), KEY, AD, 128) == b"".join(pieces)


@given(
    size=st.integers(0, 700),
    offset=st.integers(0, 800),
    length=st.integers(0, 800),
    segment_bytes=st.integers(57, 300),
)
@settings(deadline=None)
def test_any_range_is_that_slice_of_the_plaintext(
    size: int, offset: int, length: int, segment_bytes: int
) -> None:
    opened = reader(seal(content(size), KEY, AD, segment_bytes), segment_bytes)
    assert opened.size == size
    assert opened.read_at(offset, length) == content(size)[offset : offset + length]


class CountingSource(BytesSource):
    """Counts how often and how much is asked for."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.asked: list[int] = []

    def read_at(self, offset: int, length: int) -> bytes:
        self.asked.append(length)
        return super().read_at(offset, length)


def test_a_range_costs_one_stretch_of_the_segments_it_touches() -> None:
    source = CountingSource(seal(content(100_000), KEY, AD, 1000))
    opened = OpeningReader(source, KEY, AD, 1000)
    source.asked.clear()
    opened.read_at(50_000, 2000)
    assert source.asked == [3000]


def test_sealing_twice_never_gives_the_same_bytes() -> None:
    assert seal(b"same", KEY, AD) != seal(b"same", KEY, AD)


SEALED = seal(content(1000), KEY, AD, 256)


def test_a_stream_cut_anywhere_is_refused_before_its_first_byte() -> None:
    for length in range(len(SEALED)):
        with pytest.raises(Unverified):
            reader(SEALED[:length], 256)


@pytest.mark.parametrize(
    "added",
    [b"\0", b"\0" * 16, SEALED[256:512], SEALED[-100:]],
    ids=["a byte", "a tag", "a segment", "its end"],
)
def test_a_lengthened_stream_is_refused(added: bytes) -> None:
    with pytest.raises(Unverified):
        reader(SEALED + added, 256)


def test_a_changed_byte_anywhere_is_refused() -> None:
    for place in range(len(SEALED)):
        changed = bytearray(SEALED)
        changed[place] ^= 1
        with pytest.raises(Unverified):
            open_sealed(bytes(changed), KEY, AD, 256)


def test_swapped_segments_are_refused() -> None:
    swapped = SEALED[:256] + SEALED[512:768] + SEALED[256:512] + SEALED[768:]
    with pytest.raises(Unverified):
        open_sealed(swapped, KEY, AD, 256)


def test_a_missing_middle_segment_is_refused() -> None:
    with pytest.raises(Unverified):
        open_sealed(SEALED[:256] + SEALED[512:], KEY, AD, 256)


def test_a_segment_of_another_stream_under_the_same_key_is_refused() -> None:
    other = seal(content(1000), KEY, AD, 256)
    with pytest.raises(Unverified):
        open_sealed(SEALED[:256] + other[256:512] + SEALED[512:], KEY, AD, 256)


def test_damage_elsewhere_does_not_spoil_a_range() -> None:
    changed = bytearray(SEALED)
    changed[300] ^= 1
    opened = reader(bytes(changed), 256)
    assert opened.read_at(600, 50) == content(1000)[600:650]
    with pytest.raises(Unverified):
        opened.read_at(250, 10)


@pytest.mark.parametrize(
    ("key", "bound_to", "segment_bytes"),
    [
        (OTHER_KEY, AD, 256),
        (KEY, associated_data(1, "rec_02", "spool"), 256),
        (KEY, associated_data(1, "rec_01", "audio"), 256),
        (KEY, associated_data(2, "rec_01", "spool"), 256),
        (KEY, AD, 255),
        (KEY, AD, 512),
    ],
    ids=["key", "recording", "kind", "version", "smaller segments", "larger segments"],
)
def test_another_key_recording_kind_version_or_segment_size_is_refused(
    key: bytes, bound_to: bytes, segment_bytes: int
) -> None:
    with pytest.raises(Unverified):
        open_sealed(SEALED, key, bound_to, segment_bytes)
    with pytest.raises(Unverified):
        recover(BytesSource(SEALED), key, bound_to, segment_bytes)


def test_bytes_that_are_no_stream_are_refused_in_words() -> None:
    with pytest.raises(Unverified, match="no sealed stream: 300 bytes"):
        reader(b"R" * 300, 256)
    with pytest.raises(Unverified, match="no sealed stream"):
        recover(BytesSource(b"R" * 300), KEY, AD, 256)


@given(st.binary(max_size=400))
def test_any_bytes_give_our_error_or_nothing(data: bytes) -> None:
    with pytest.raises(Unverified):
        reader(data, 64)
    try:
        assert recover(BytesSource(data), KEY, AD, 64).plaintext == b""
    except Unverified:
        assert len(data) >= HEADER_BYTES


def test_a_finished_stream_is_recovered_whole_and_called_complete() -> None:
    found = recover(BytesSource(SEALED), KEY, AD, 256)
    assert (found.plaintext, found.complete, found.discarded_bytes) == (content(1000), True, 0)


def test_a_cut_stream_gives_its_whole_segments_and_is_called_incomplete() -> None:
    for length in range(HEADER_BYTES, len(SEALED)):
        found = recover(BytesSource(SEALED[:length]), KEY, AD, 256)
        whole = length // 256
        expected = max(0, whole * (256 - TAG_BYTES) - HEADER_BYTES)
        assert found.plaintext == content(1000)[:expected]
        assert not found.complete
        assert found.discarded_bytes == length - max(whole * 256, HEADER_BYTES)


def test_a_stream_cut_in_its_header_gives_nothing() -> None:
    for length in range(HEADER_BYTES):
        found = recover(BytesSource(SEALED[:length]), KEY, AD, 256)
        assert (found.plaintext, found.complete, found.discarded_bytes) == (b"", False, length)


def test_recovery_works_over_many_batches() -> None:
    plaintext = content(3_000_000)
    sealed = seal(plaintext, KEY, AD, 4096)
    assert recover(BytesSource(sealed), KEY, AD, 4096).plaintext == plaintext
    found = recover(BytesSource(sealed[:-1]), KEY, AD, 4096)
    assert not found.complete
    assert plaintext.startswith(found.plaintext)
    assert len(plaintext) - len(found.plaintext) < 4096


def test_recovery_says_how_much_lies_behind_damage() -> None:
    damaged = bytearray(SEALED)
    damaged[300] ^= 1
    found = recover(BytesSource(bytes(damaged)), KEY, AD, 256)
    assert found.plaintext == content(1000)[:200]
    assert found.discarded_bytes == len(SEALED) - 256


def test_a_segment_reaches_the_sink_when_a_byte_follows_it() -> None:
    sink = io.BytesIO()
    writer = SealingWriter(sink, KEY, AD, 256)
    assert len(sink.getvalue()) == HEADER_BYTES
    writer.write(content(200))
    assert (len(sink.getvalue()), writer.pending) == (HEADER_BYTES, 200)
    writer.write(b"+")
    assert (len(sink.getvalue()), writer.pending) == (256, 1)
    assert recover(BytesSource(sink.getvalue()), KEY, AD, 256).plaintext == content(200)


def test_a_closed_writer_takes_nothing_and_closes_once() -> None:
    sink = io.BytesIO()
    writer = SealingWriter(sink, KEY, AD)
    writer.write(b"all")
    writer.close()
    writer.close()
    with pytest.raises(Refused, match="finished"):
        writer.write(b"more")
    assert open_sealed(sink.getvalue(), KEY, AD, 4096) == b"all"


class SmallDisk:
    """Takes a few bytes at a time, and none when it is full, as a disk does."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.data = b""

    def write(self, data: bytes, /) -> int:
        if len(self.data) == self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = data[: min(100, self.room - len(self.data))]
        self.data += taken
        return len(taken)


def test_a_sink_that_takes_little_at_a_time_gets_everything() -> None:
    disk = SmallDisk(10_000)
    writer = SealingWriter(disk, KEY, AD, 1024)
    writer.write(content(5000))
    writer.close()
    assert open_sealed(disk.data, KEY, AD, 1024) == content(5000)


def test_a_full_disk_is_reported_and_ends_the_stream_for_good() -> None:
    disk = SmallDisk(700)
    writer = SealingWriter(disk, KEY, AD, 256)
    with pytest.raises(Unavailable, match="Free space"):
        writer.write(content(1000))
    disk.room = 10_000
    with pytest.raises(Unavailable, match="earlier write"):
        writer.write(content(1000))
    with pytest.raises(Unavailable, match="earlier write"):
        writer.close()
    assert len(disk.data) == 700
    found = recover(BytesSource(disk.data), KEY, AD, 256)
    assert (found.plaintext, found.complete) == (content(1000)[:440], False)


def test_a_disk_without_room_for_the_header_is_reported() -> None:
    with pytest.raises(Unavailable, match="Free space"):
        SealingWriter(SmallDisk(10), KEY, AD)


class StuckSink:
    """Takes nothing and reports no error, as a non-blocking file may."""

    def write(self, data: bytes, /) -> int:
        return 0


def test_a_sink_that_takes_nothing_is_reported() -> None:
    with pytest.raises(Unavailable, match="takes no more bytes"):
        SealingWriter(StuckSink(), KEY, AD)


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_key_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(InvalidInput, match=f"32 bytes; this one has {size}"):
        seal(b"", bytes(size), AD)


@pytest.mark.parametrize("segment_bytes", [-1, 0, 56, (1 << 24) + 1])
def test_an_impossible_segment_size_is_refused(segment_bytes: int) -> None:
    with pytest.raises(InvalidInput, match="57 to 16777216"):
        seal(b"", KEY, AD, segment_bytes)


def test_a_salt_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidInput, match="salt"):
        SealingWriter(io.BytesIO(), KEY, AD, salt=b"short")


def test_a_range_that_begins_before_the_stream_is_refused() -> None:
    with pytest.raises(InvalidInput):
        reader(SEALED, 256).read_at(-1, 5)


WORDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True)
BINDINGS = st.tuples(st.integers(1, 99), WORDS, WORDS)


@given(one=BINDINGS, other=BINDINGS)
def test_different_bindings_give_different_bytes(
    one: tuple[int, str, str], other: tuple[int, str, str]
) -> None:
    assert (associated_data(*one) == associated_data(*other)) == (one == other)


def test_the_binding_of_a_recording_never_changes() -> None:
    assert associated_data(1, "rec_01", "spool") == b"askfirst:1:rec_01:spool"


@pytest.mark.parametrize(
    "words", [("", "a"), ("a", ""), ("a:b", "c"), ("a", "b\n"), ("å", "b"), (".", "b")]
)
def test_a_binding_that_could_be_read_two_ways_is_refused(words: tuple[str, str]) -> None:
    with pytest.raises(InvalidInput):
        associated_data(1, *words)


def test_a_sealed_file_is_read_at_any_place(tmp_path: Path) -> None:
    path = tmp_path / "sealed"
    path.write_bytes(SEALED)
    with FileSource(path) as source:
        opened = OpeningReader(source, KEY, AD, 256)
        assert opened.read_at(300, 300) == content(1000)[300:600]
        assert opened.read_all() == content(1000)


def test_a_missing_file_and_a_folder_are_reported(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        FileSource(tmp_path / "none")
    with pytest.raises(Unavailable):
        FileSource(tmp_path)


KILLED_WRITER = """
import os, struct, sys
from askfirst.server.vault import SealingWriter, associated_data
file = open(sys.argv[1], "xb", buffering=0)
writer = SealingWriter(file, bytes(range(32)), associated_data(1, "rec_01", "spool"), 4096)
number = total = 0
while True:
    packet = number.to_bytes(4, "big") * 160
    writer.write(packet)
    number += 1
    total += len(packet)
    os.write(1, struct.pack(">QQ", total, writer.pending))
"""


def test_a_killed_writer_loses_only_what_was_pending(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    child = subprocess.Popen(  # noqa: S603  # our own interpreter and the script above
        [sys.executable, "-c", KILLED_WRITER, str(path)], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    told = child.stdout.read(16 * 500)
    child.kill()
    told += child.stdout.read()
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    last = told[: len(told) // 16 * 16][-16:]
    total, pending = int.from_bytes(last[:8], "big"), int.from_bytes(last[8:], "big")
    with FileSource(path) as source:
        found = recover(source, KEY, AD, 4096)
    packets = total // 640 + 2  # the writer may have been killed before it could tell
    written = b"".join(number.to_bytes(4, "big") * 160 for number in range(packets))
    assert written.startswith(found.plaintext)
    assert len(found.plaintext) >= total - pending
    assert pending <= 4096 - TAG_BYTES
    assert not found.complete
