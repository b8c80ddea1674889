"""Sealing and opening of streams: AES256-GCM-HKDF streaming as Tink publishes it.

A sealed stream is a header (its own length, salt, nonce prefix) and segments, each encrypted and
authenticated alone, so that any place can be read without the rest, and the beginning of a file
whose writer was killed can still be trusted. A segment's nonce holds its number and whether it is
the last: cut, swapped or lengthened streams do not open. Keys come from `keys`; only recorder,
playback and erasure may import this module.

Format: https://developers.google.com/tink/streaming-aead/aes_gcm_hkdf_streaming, with 32-byte
derived keys and HKDF-SHA256 (RFC 5869), tag 16 bytes. The segment size is not in the stream and
must be kept beside the key.
"""

from __future__ import annotations

import io
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from askfirst.errors import InvalidInput, NotFound, Refused, Unavailable, Unverified
from askfirst.server.blobs import disk_trouble

KEY_BYTES = 32
SALT_BYTES = 32
PREFIX_BYTES = 7
HEADER_BYTES = 1 + SALT_BYTES + PREFIX_BYTES
TAG_BYTES = 16

SPOOL_SEGMENT_BYTES = 4096
"""Segments of a stream that is being recorded: little is lost when the writer is killed."""

ASSET_SEGMENT_BYTES = 65536
"""Segments of a finished asset: fewer tags, faster."""

_SMALLEST_SEGMENT = HEADER_BYTES + TAG_BYTES + 1
_LARGEST_SEGMENT = 1 << 24
_MOST_SEGMENTS = 1 << 32
_BATCH_BYTES = 1 << 20  # read at once while recovering, to hold little more than the result
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Sink(Protocol):
    """Takes sealed bytes in order; blocking. An unbuffered file opened for appending is one."""

    def write(self, data: bytes, /) -> int | None:
        """Take `data` and say how many bytes were taken; None means all."""
        ...


class Source(Protocol):
    """Gives sealed bytes from any place. Its size must not change while it is read."""

    @property
    def size(self) -> int:
        """Size in bytes."""
        ...

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`, clipped at the end."""
        ...


def associated_data(version: int, recording_id: str, kind: str) -> bytes:
    """What a stream is bound to; opening it as another recording, kind or version fails.

    `version` is that of our layout, at least 1; `kind` names the asset (spool, audio, peaks …).
    Both words hold only letters, digits, `_`, `.` and `-`, so two triples never give the same
    bytes. Raises InvalidInput.
    """
    if version < 1 or not _PART.fullmatch(recording_id) or not _PART.fullmatch(kind):
        raise InvalidInput(
            f"Cannot bind a stream to version {version!r}, recording {recording_id!r}, kind "
            f"{kind!r}. Expected 1 or more and words of letters, digits, '_', '.' and '-'."
        )
    return f"askfirst:{version}:{recording_id}:{kind}".encode("ascii")


class SealingWriter:
    """Encrypts a stream into `sink`, segment after segment; the caller owns and closes the sink.

    The header goes out at once, a segment as soon as a byte follows it, the last one on `close`;
    a stream that was not closed does not open, but `recover` gives its beginning. A segment is
    never written twice, because other content under the same nonce would betray the key; after a
    failed write the writer therefore refuses to go on (Unavailable), and a new one is needed.
    `segment_bytes` counts the encrypted segment, 57 to 16777216. `salt` (32 bytes) and
    `nonce_prefix` (7 bytes) are random and for once only; give them in tests alone.
    """

    def __init__(
        self,
        sink: Sink,
        key: bytes,
        associated_data: bytes,
        segment_bytes: int = SPOOL_SEGMENT_BYTES,
        *,
        salt: bytes | None = None,
        nonce_prefix: bytes | None = None,
    ) -> None:
        salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
        prefix = secrets.token_bytes(PREFIX_BYTES) if nonce_prefix is None else nonce_prefix
        if len(salt) != SALT_BYTES or len(prefix) != PREFIX_BYTES:
            raise InvalidInput("The salt must have 32 bytes and the nonce prefix 7.")
        self._segments = _Segments(key, salt, prefix, associated_data, segment_bytes)
        self._sink = sink
        self._index = 0
        self._room = segment_bytes - HEADER_BYTES - TAG_BYTES
        self._waiting = bytearray()
        self._closed = False
        self._failed = False
        self._send(bytes([HEADER_BYTES]) + salt + prefix)

    @property
    def pending(self) -> int:
        """Bytes taken but not yet with the sink; never more than one segment holds."""
        return len(self._waiting)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take more plaintext. Raises Refused after `close`, Unavailable when the sink fails."""
        if self._closed:
            raise Refused("This stream is finished. Open a new one to write more.")
        left = memoryview(data)
        # Strictly more: a segment that is just full may yet turn out to be the last.
        while len(self._waiting) + len(left) > self._room:
            taken = self._room - len(self._waiting)
            self._waiting += left[:taken]
            left = left[taken:]
            self._seal(last=False)
        self._waiting += left

    def close(self) -> None:
        """Write the last segment; safe to call again. Raises Unavailable when the sink fails."""
        if not self._closed:
            self._seal(last=True)
            self._closed = True

    def _seal(self, *, last: bool) -> None:
        self._send(self._segments.sealed(self._index, self._waiting, last=last))
        self._waiting.clear()
        self._index += 1
        self._room = self._segments.size - TAG_BYTES

    def _send(self, data: bytes) -> None:
        if self._failed:
            raise Unavailable(
                "An earlier write of this stream failed. Recover what is there and start a new "
                "stream."
            )
        self._failed = True  # until it is known to have worked, whatever the sink raises
        try:
            while data:
                taken = self._sink.write(data)
                if taken is None:
                    break
                if taken <= 0:
                    raise Unavailable(
                        "The sink takes no more bytes. Expected a blocking file with free space."
                    )
                data = data[taken:]
        except OSError as error:
            raise disk_trouble("write a sealed segment", error) from error
        self._failed = False


class OpeningReader:
    """Reads a finished stream at any place; the caller owns the source.

    The last segment is checked when the reader is made, so `size` can be trusted and a stream
    that was cut anywhere is refused before its first byte is given. Raises Unverified when the
    stream is cut, changed, bound to something else or sealed with another key.
    """

    def __init__(
        self, source: Source, key: bytes, associated_data: bytes, segment_bytes: int
    ) -> None:
        self._source = source
        self._segments = _opened(source, key, associated_data, segment_bytes)
        self._count = max(1, -(-source.size // segment_bytes))
        self.size = source.size - HEADER_BYTES - TAG_BYTES * self._count
        """Plaintext size in bytes."""
        self._tail = self._read(self._count - 1, self._count)

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes of plaintext from `offset`, clipped at the end.

        Reads one stretch of the source, whole segments. Raises Unverified, InvalidInput.
        """
        if offset < 0 or length < 0:
            raise InvalidInput(f"A range cannot begin at {offset} or have {length} bytes.")
        end = min(offset + length, self.size)
        if offset >= end:
            return b""
        room = self._segments.size - TAG_BYTES
        first, last = (offset + HEADER_BYTES) // room, (end - 1 + HEADER_BYTES) // room
        tail_only = first == self._count - 1
        found = self._tail if tail_only else self._read(first, last + 1)
        start = offset - max(0, first * room - HEADER_BYTES)
        return found[start : start + end - offset]

    def read_all(self) -> bytes:
        """The whole plaintext. Raises Unverified."""
        return self.read_at(0, self.size)

    def _read(self, first: int, end: int) -> bytes:
        begin = max(HEADER_BYTES, first * self._segments.size)
        length = min(end * self._segments.size, self._source.size) - begin
        data = memoryview(self._source.read_at(begin, length))
        parts = []
        for index in range(first, end):
            taken = min(self._segments.length(index), len(data))
            part = self._segments.opened(index, data[:taken], last=index == self._count - 1)
            if part is None:
                raise Unverified(
                    f"Segment {index + 1} of {self._count} does not open: the stream is cut or "
                    "changed, or key, segment size or recording are not its own. Expected the "
                    "bytes as they were sealed; restore them from a backup."
                )
            parts.append(part)
            data = data[taken:]
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What could be read of a stream that may lack its end.

    `complete` is True only if the stream was finished. `discarded_bytes` of the file follow the
    trusted prefix and do not open: fewer than a segment after a crash; more means damage, and the
    file should be kept.
    """

    plaintext: bytes
    complete: bool
    discarded_bytes: int


def recover(source: Source, key: bytes, associated_data: bytes, segment_bytes: int) -> Recovered:
    """The authenticated beginning of a stream whose writer may have been killed.

    A file too short for its header gives nothing. Raises Unverified if the header or the whole
    first segment does not open, so that a wrong key never looks like an empty recording.
    """
    if source.size < HEADER_BYTES:
        return Recovered(b"", complete=False, discarded_bytes=source.size)
    segments = _opened(source, key, associated_data, segment_bytes, needs_segment=False)
    plaintext = bytearray()
    done = HEADER_BYTES
    for index, data in enumerate(_pieces(source, segments)):
        at_end = done + len(data) == source.size
        if at_end and (last := segments.opened(index, data, last=True)) is not None:
            return Recovered(bytes(plaintext + last), complete=True, discarded_bytes=0)
        whole = len(data) == segments.length(index)
        part = segments.opened(index, data, last=False) if whole else None
        if part is None:
            if index == 0 and whole:
                raise Unverified(
                    "The first segment does not open: key, segment size or recording are not "
                    "those of this stream, or it is damaged. Nothing was recovered; keep the file."
                )
            break
        plaintext += part
        done += len(data)
    return Recovered(bytes(plaintext), complete=False, discarded_bytes=source.size - done)


def seal(
    plaintext: bytes, key: bytes, associated_data: bytes, segment_bytes: int = ASSET_SEGMENT_BYTES
) -> bytes:
    """A finished stream in memory, under a fresh salt. Raises InvalidInput."""
    sink = io.BytesIO()
    writer = SealingWriter(sink, key, associated_data, segment_bytes)
    writer.write(plaintext)
    writer.close()
    return sink.getvalue()


def open_sealed(
    sealed: bytes, key: bytes, associated_data: bytes, segment_bytes: int = ASSET_SEGMENT_BYTES
) -> bytes:
    """The plaintext of a finished stream in memory. Raises Unverified, InvalidInput."""
    return OpeningReader(BytesSource(sealed), key, associated_data, segment_bytes).read_all()


class BytesSource:
    """Sealed bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`, clipped at the end."""
        return self._data[offset : offset + length]


class FileSource:
    """A sealed file; `size` is taken when it is opened. Close it, or use it in `with`.

    Raises NotFound when there is none, Unavailable when the disk does not answer.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("rb", buffering=0)
            self.size = os.fstat(self._file.fileno()).st_size
        except FileNotFoundError as error:
            raise NotFound(f"There is no file {path}.") from error
        except OSError as error:
            raise disk_trouble(f"open {path}", error) from error

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`, clipped at the end. Raises Unavailable."""
        data = bytearray()
        try:
            while piece := os.pread(self._file.fileno(), length - len(data), offset + len(data)):
                data += piece
        except OSError as error:
            raise disk_trouble("read a sealed file", error) from error
        return bytes(data)

    def close(self) -> None:
        """Close the file; safe to call again."""
        self._file.close()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()


class _Segments:
    """The cipher of one stream and the geometry of its segments."""

    def __init__(
        self, key: bytes, salt: bytes, prefix: bytes, associated_data: bytes, segment_bytes: int
    ) -> None:
        if len(key) != KEY_BYTES:
            raise InvalidInput(f"A key has {KEY_BYTES} bytes; this one has {len(key)}.")
        if not _SMALLEST_SEGMENT <= segment_bytes <= _LARGEST_SEGMENT:
            raise InvalidInput(
                f"A segment has {_SMALLEST_SEGMENT} to {_LARGEST_SEGMENT} bytes, not "
                f"{segment_bytes}."
            )
        derived = HKDF(SHA256(), KEY_BYTES, salt, associated_data).derive(key)
        self._cipher = AESGCM(derived)
        self._prefix = prefix
        self.size = segment_bytes

    def length(self, index: int) -> int:
        """Bytes that a full segment takes in the file; the header is part of the first."""
        return self.size if index else self.size - HEADER_BYTES

    def sealed(self, index: int, plaintext: bytes | bytearray, *, last: bool) -> bytes:
        return self._cipher.encrypt(self._nonce(index, last), plaintext, None)

    def opened(self, index: int, sealed: memoryview, *, last: bool) -> bytes | None:
        """The plaintext of a segment, or None if it is not authentic at this place."""
        if len(sealed) < TAG_BYTES:
            return None
        try:
            return self._cipher.decrypt(self._nonce(index, last), sealed, None)
        except InvalidTag:
            return None

    def _nonce(self, index: int, last: bool) -> bytes:
        if index >= _MOST_SEGMENTS:
            raise InvalidInput("A stream has at most 4294967296 segments. Take larger segments.")
        return self._prefix + index.to_bytes(4, "big") + (b"\x01" if last else b"\x00")


def _opened(
    source: Source,
    key: bytes,
    associated_data: bytes,
    segment_bytes: int,
    *,
    needs_segment: bool = True,
) -> _Segments:
    header = source.read_at(0, HEADER_BYTES)
    smallest = HEADER_BYTES + (TAG_BYTES if needs_segment else 0)
    if source.size < smallest or len(header) < HEADER_BYTES or header[0] != HEADER_BYTES:
        raise Unverified(
            f"This is no sealed stream: {source.size} bytes. Expected at least {smallest}, the "
            f"first of them {HEADER_BYTES}; restore the file from a backup."
        )
    salt, prefix = header[1 : 1 + SALT_BYTES], header[1 + SALT_BYTES :]
    return _Segments(key, salt, prefix, associated_data, segment_bytes)


def _pieces(source: Source, segments: _Segments) -> Iterator[memoryview]:
    """The sealed segments of a source in order, the last one perhaps torn."""
    offset, batch = 0, max(1, _BATCH_BYTES // segments.size) * segments.size
    while offset < source.size:
        data = memoryview(source.read_at(offset, min(batch, source.size - offset)))
        if not data:
            return
        for start in range(0, len(data), segments.size):
            piece = data[start : start + segments.size]
            yield piece[HEADER_BYTES:] if offset + start == 0 else piece
        offset += len(data)
