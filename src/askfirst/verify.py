"""Check an evidence bundle: one file that needs nothing but Python and `cryptography`.

This file travels inside every bundle and is written independently of the program that makes
bundles: other algorithms, no shared code. Run it as ``python verify.py BUNDLE.zip``.

Exit: 0 everything holds, 1 something does not, 2 it was called wrongly or cannot run here.
Formats: RFC 6962 §2.1 (tree and proofs), C2SP signed-note and tlog-checkpoint (checkpoints).
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import io
import json
import re
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_BYTES = 256 * 1024 * 1024
"""Largest bundle, packed and unpacked."""

MAX_FILES = 10_000
MAX_ENTRIES = 100_000
MAX_CHECKPOINTS = 5_000
_MAX_SIZE = 2**53
_ONCE = ("manifest.json", "entries.jsonl", "proofs.jsonl", "consistency.json", "key.txt")
_PROSE = ("README.txt", "verify.py")
_FILE = re.compile(r"[A-Za-z0-9_-]+(?:[./][A-Za-z0-9_-]+)*")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z")
_STAMP_FILE = re.compile(r"extra/stamps/([0-9]{16})-[0-9]{4}-[0-9]{2}-[0-9]{2}[.]tsr")
_CHECKPOINT_FILE = re.compile(r"checkpoints/[0-9]{16}[.]txt")


class VerificationError(Exception):
    """The bundle does not prove what it claims, or is not a bundle."""


class CannotRun(Exception):
    """This machine lacks what checking needs; nothing is said about the bundle."""


@dataclass(frozen=True)
class CheckedEntry:
    """One proven entry: its place in the ledger and what it states."""

    index: int
    at: str
    kind: str
    call: str | None


@dataclass(frozen=True)
class CheckedStamp:
    """A time stamp (RFC 3161) whose hash is that of a checkpoint; `at` is the time it states.

    Whose stamp it is was not checked: that takes the authority's certificate, and openssl.
    """

    path: str
    size: int
    at: str


@dataclass(frozen=True)
class Report:
    """What has been shown. `key_from_outside` says whether the reader brought the key along.

    `sizes` are the checkpoints in order, the last of which has `root` (hexadecimal). `extra`
    names further files, which were compared with the manifest and not otherwise looked at.
    """

    origin: str
    sizes: tuple[int, ...]
    root: str
    vkey: str
    key_from_outside: bool
    entries: tuple[CheckedEntry, ...]
    extra: tuple[str, ...]
    stamps: tuple[CheckedStamp, ...] = ()

    def text(self) -> str:
        """The report for people, several lines."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield f"VERIFIED: {len(self.entries)} entries of the ledger {self.origin}"
        yield f"  newest checkpoint: {self.sizes[-1]} entries, root {self.root}"
        older = ", ".join(str(size) for size in self.sizes[:-1])
        if older:
            yield f"  it continues the older checkpoints of size {older}"
        yield f"  signed with {self.vkey}"
        if not self.key_from_outside:
            yield "  LIMIT: no key was given from outside. The key inside the bundle only proves"
            yield "  that the bundle agrees with itself; compare it with a key that you were given"
            yield "  by another way, and run again with --key."
        yield "  LIMIT: a signer could keep two ledgers. Only a checkpoint or a time stamp kept by"
        yield "  somebody else bounds that."
        for stamp in self.stamps:
            yield f"  time stamp over the checkpoint of size {stamp.size}: {stamp.at}"
        if self.stamps:
            one = self.stamps[-1]
            yield "  LIMIT: that an authority made these stamps was not checked. Unpack, then run:"
            yield f"  openssl ts -verify -in {one.path} -CAfile AUTHORITY.pem \\"
            yield f"    -data checkpoints/{one.size:016d}.txt"
        for name in self.extra:
            yield f"  not examined here: {name}"
        for entry in self.entries:
            yield f"{entry.index:>10}  {entry.at}  {entry.kind}  {entry.call or '-'}"


@dataclass(frozen=True)
class _Note:
    """A signed checkpoint whose signature has been checked."""

    path: str
    origin: str
    size: int
    root: bytes


def verify(bundle: str | Path | bytes, expected_vkey: str | None = None) -> Report:
    """Check everything in a bundle; a report when all of it holds.

    `bundle` is a path or the bytes. `expected_vkey` is the public key (``name+id+key``) as
    known from elsewhere; without it the bundle is only shown to agree with itself. Raises
    VerificationError for a bundle that does not hold, CannotRun without `cryptography`.
    """
    files = _unpack(bundle if isinstance(bundle, bytes) else _load(Path(bundle)))
    manifest = _manifest(files)
    vkey = _text(files, "key.txt").removesuffix("\n")
    if expected_vkey is not None and vkey != expected_vkey.strip():
        raise VerificationError(f"key: expected {expected_vkey.strip()}, found {vkey}")
    notes = _notes(files, vkey)
    newest = notes[-1]
    _continuous(files, notes)
    entries = tuple(_entries(files, newest))
    stamps = tuple(_stamps(files))
    for name, found in (
        ("origin", newest.origin),
        ("size", newest.size),
        ("entries", len(entries)),
    ):
        if manifest.get(name) != found:
            raise VerificationError(f"manifest.json: {name} does not say {found}")
    return Report(
        origin=newest.origin,
        sizes=tuple(note.size for note in notes),
        root=newest.root.hex(),
        vkey=vkey,
        key_from_outside=expected_vkey is not None,
        entries=entries,
        extra=tuple(
            sorted(
                set(files)
                - {*_ONCE, *_PROSE}
                - {note.path for note in notes}
                - {stamp.path for stamp in stamps}
            )
        ),
        stamps=stamps,
    )


# The file


def _load(path: Path) -> bytes:
    try:
        with path.open("rb") as source:
            raw = source.read(MAX_BYTES + 1)
    except OSError as error:
        raise CannotRun(f"{path}: cannot be read ({error.strerror})") from error
    if len(raw) > MAX_BYTES:
        raise VerificationError(f"{path}: larger than {MAX_BYTES} bytes; not a bundle")
    return raw


def _unpack(raw: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            return _members(archive)
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        zlib.error,
        struct.error,  # a header cut short
        NotImplementedError,  # an exotic compression or zip version
        RuntimeError,  # an encrypted member
        EOFError,
        OSError,  # an offset outside the file
        ValueError,
        OverflowError,
    ) as error:
        raise VerificationError(f"not a readable zip file: {error}") from error


def _members(archive: zipfile.ZipFile) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    left = MAX_BYTES
    if len(archive.infolist()) > MAX_FILES:
        raise VerificationError(f"more than {MAX_FILES} files; not a bundle")
    for info in archive.infolist():
        # Names and values are shown to people: nothing may reach a terminal that steers it.
        if not _FILE.fullmatch(info.filename):
            raise VerificationError(f"{info.filename!r} is not a name that a bundle has")
        if info.filename in files:
            raise VerificationError(f"{info.filename!r} stands in the zip file twice")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise VerificationError(f"{info.filename!r} is packed in an unknown way")
        # The declared size may lie: read no more than what is left.
        with archive.open(info) as member:
            content = member.read(left + 1)
        left -= len(content)
        if left < 0:
            raise VerificationError(f"unpacks to more than {MAX_BYTES} bytes; not a bundle")
        files[info.filename] = content
    return files


def _manifest(files: dict[str, bytes]) -> dict[str, object]:
    for name in _ONCE:
        if name not in files:
            raise VerificationError(f"{name} is missing; this is not a whole bundle")
    manifest = _object("manifest.json", _text(files, "manifest.json"))
    if manifest.get("format") != "askfirst-evidence" or not _is(manifest.get("version"), 1):
        raise VerificationError("manifest.json: not a bundle of a version known here")
    sums = manifest.get("files")
    if not isinstance(sums, dict) or set(sums) != set(files) - {"manifest.json"}:
        raise VerificationError("manifest.json: does not list exactly the files in the bundle")
    for name, expected in sums.items():
        found = hashlib.sha256(files[name]).hexdigest()
        if found != expected:
            raise VerificationError(f"{name}: expected SHA-256 {expected}, found {found}")
    return manifest


# Checkpoints


def _notes(files: dict[str, bytes], vkey: str) -> list[_Note]:
    name, key_id, key = _read_vkey(vkey)
    paths = sorted(path for path in files if path.startswith("checkpoints/"))
    if not paths or len(paths) > MAX_CHECKPOINTS:
        raise VerificationError(f"{len(paths)} checkpoints; expected 1 to {MAX_CHECKPOINTS}")
    notes = []
    for path in paths:
        if not _CHECKPOINT_FILE.fullmatch(path):
            raise VerificationError(f"{path!r}: not the name of a checkpoint")
        note = _open_note(path, _text(files, path), name, key_id, key)
        if note.size != int(path[-20:-4]):
            raise VerificationError(f"{path}: speaks of another size, {note.size}")
        notes.append(note)
    if len({note.origin for note in notes}) != 1:
        raise VerificationError("checkpoints of more than one ledger")
    return notes


def _read_vkey(vkey: str) -> tuple[str, bytes, bytes]:
    match = re.fullmatch(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)", vkey)
    if match is None:
        raise VerificationError("key.txt: expected one line name+id+key")
    name = match[1]
    blob = _base64("key.txt", match[3])
    if len(blob) != 33 or blob[0] != 1:
        raise VerificationError("key.txt: not an Ed25519 key")
    key_id = hashlib.sha256(name.encode("utf-8") + b"\n" + blob).digest()[:4]
    if key_id.hex() != match[2]:
        raise VerificationError("key.txt: the id does not belong to the name and key")
    return name, key_id, blob[1:]


def _open_note(path: str, note: str, name: str, key_id: bytes, key: bytes) -> _Note:
    cut = note.rfind("\n\n")
    if cut < 0 or not note.endswith("\n") or re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", note):
        raise VerificationError(f"{path}: not a signed note")
    text, signatures = note[: cut + 1], note[cut + 2 : -1].split("\n")
    seen = 0
    for line in signatures[:100]:
        match = re.fullmatch(r"— (\S+) (\S+)", line)
        if match is None:
            raise VerificationError(f"{path}: a malformed signature line")
        blob = _base64(path, match[2])
        if match[1] == name and blob[:4] == key_id:
            _check_signature(path, key, blob[4:], text.encode("utf-8"))
            seen += 1
    if not seen or len(signatures) > 100:
        raise VerificationError(f"{path}: expected a signature of {name}+{key_id.hex()}")
    lines = text[:-1].split("\n")
    if len(lines) != 3 or not lines[0] or not re.fullmatch(r"[1-9][0-9]{0,15}", lines[1]):
        raise VerificationError(f"{path}: expected origin, size and root")
    root = _base64(path, lines[2])
    if len(root) != 32 or int(lines[1]) > _MAX_SIZE:
        raise VerificationError(f"{path}: no root of a tree")
    return _Note(path, lines[0], int(lines[1]), root)


def _check_signature(path: str, key: bytes, signature: bytes, message: bytes) -> None:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise CannotRun("cryptography is missing. Run: pip install cryptography") from error
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise VerificationError(f"{path}: the signature does not hold") from error


def _continuous(files: dict[str, bytes], notes: Sequence[_Note]) -> None:
    steps = _json("consistency.json", _text(files, "consistency.json"))
    if not isinstance(steps, list) or len(steps) != len(notes) - 1:
        raise VerificationError(f"consistency.json: expected {len(notes) - 1} steps")
    for older, newer, step in zip(notes, notes[1:], steps, strict=False):
        what = f"consistency of {older.size} with {newer.size}"
        if not isinstance(step, dict) or set(step) != {"from", "to", "proof"}:
            raise VerificationError(f"{what}: a malformed step")
        if not _is(step["from"], older.size) or not _is(step["to"], newer.size):
            raise VerificationError(f"{what}: the step is for other checkpoints")
        path = _hashes(what, step["proof"])
        found_old, found_new = _both_roots(older.size, newer.size, path, older.root, whole=True)
        _same(f"{what}, older root", older.root, found_old)
        _same(f"{what}, newer root", newer.root, found_new)


# Entries


def _entries(files: dict[str, bytes], newest: _Note) -> Iterator[CheckedEntry]:
    entries = list(_rows(files, "entries.jsonl", "entry"))
    proofs = list(_rows(files, "proofs.jsonl", "proof"))
    if [index for index, _ in entries] != [index for index, _ in proofs]:
        raise VerificationError("proofs.jsonl: not the same entries as in entries.jsonl")
    last = -1
    for (index, content), (_, proof) in zip(entries, proofs, strict=True):
        what = f"entry {index}"
        if not last < index < newest.size:
            raise VerificationError(f"{what}: out of order, or newer than the newest checkpoint")
        last = index
        if not isinstance(content, str):
            raise VerificationError(f"{what}: expected the text of the entry")
        leaf = hashlib.sha256(b"\x00" + _encode(what, content)).digest()
        path = _hashes(what, proof)
        _same(f"{what}, root", newest.root, _root(leaf, index, newest.size, path))
        yield _read_entry(what, index, content)


def _rows(files: dict[str, bytes], name: str, field: str) -> Iterator[tuple[int, object]]:
    lines = _text(files, name).split("\n")
    if lines.pop() != "" or len(lines) > MAX_ENTRIES:
        raise VerificationError(f"{name}: expected at most {MAX_ENTRIES} whole lines")
    for number, line in enumerate(lines, 1):
        row = _object(f"{name}, line {number}", line)
        index = row.get("index")
        if set(row) != {"index", field} or not isinstance(index, int) or isinstance(index, bool):
            raise VerificationError(f"{name}, line {number}: expected index and {field}")
        yield index, row[field]


def _read_entry(what: str, index: int, content: str) -> CheckedEntry:
    body = _object(what, content)
    at, kind, call = body.get("at"), body.get("kind"), body.get("call")
    if not _is(body.get("v"), 1):
        raise VerificationError(f"{what}: not an entry of a version known here")
    if not isinstance(at, str) or not _TIME.fullmatch(at):
        raise VerificationError(f"{what}: at is not a time in UTC")
    if not isinstance(kind, str) or not re.fullmatch(r"[a-z-]+[.][a-z-]+", kind):
        raise VerificationError(f"{what}: no kind")
    if call is not None and not (isinstance(call, str) and re.fullmatch(r"[a-z0-9_]+", call)):
        raise VerificationError(f"{what}: the call is not an id")
    return CheckedEntry(index, at, kind, call)


# Time stamps (RFC 3161 §2.4.2): the hash in them, read from DER by place

_HASHES = {
    bytes.fromhex("608648016503040201"): hashlib.sha256,
    bytes.fromhex("608648016503040202"): hashlib.sha384,
    bytes.fromhex("608648016503040203"): hashlib.sha512,
}
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_TST_INFO = bytes.fromhex("2a864886f70d0109100104")
_INTEGER, _OCTETS, _OID, _TIMESTAMP, _SEQUENCE, _EXPLICIT = 2, 4, 6, 24, 48, 160


def _stamps(files: dict[str, bytes]) -> Iterator[CheckedStamp]:
    for path in sorted(files):
        match = _STAMP_FILE.fullmatch(path)
        if match is None:
            continue
        note = files.get(f"checkpoints/{match[1]}.txt")
        if note is None:
            raise VerificationError(f"{path}: there is no checkpoint of its size")
        name, imprint, at = _read_stamp(path, files[path])
        _same(f"{path}, hash of the checkpoint", _HASHES[name](note).digest(), imprint)
        yield CheckedStamp(path, int(match[1]), at)


def _read_stamp(path: str, raw: bytes) -> tuple[bytes, bytes, str]:
    """The name of the hash, the hash and the time of a stamp."""
    (response,) = _parts(path, raw, _SEQUENCE)
    status, content, *_ = [*_parts(path, response, _SEQUENCE, _SEQUENCE), b""]
    if _parts(path, status, _INTEGER)[0] not in (b"\x00", b"\x01"):
        raise VerificationError(f"{path}: the authority gave no stamp")
    kind, wrapped = _parts(path, content, _OID, _EXPLICIT)
    (signed,) = _parts(path, wrapped, _SEQUENCE)
    _, _, inner = _parts(path, signed, _INTEGER, None, _SEQUENCE)
    inner_kind, octets = _parts(path, inner, _OID, _EXPLICIT)
    if (kind, inner_kind) != (_SIGNED_DATA, _TST_INFO):
        raise VerificationError(f"{path}: not a time stamp")
    (body,) = _parts(path, _parts(path, octets, _OCTETS)[0], _SEQUENCE)
    wanted = (_INTEGER, _OID, _SEQUENCE, _INTEGER, _TIMESTAMP)
    _, _, stamped, _, at = _parts(path, body, *wanted)
    algorithm, imprint = _parts(path, stamped, _SEQUENCE, _OCTETS)
    (name,) = _parts(path, algorithm, _OID)
    time = re.fullmatch(rb"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9.]+)Z", at)
    if name not in _HASHES or time is None:
        raise VerificationError(f"{path}: a hash or a time that is not known here")
    year, month, day, hour, minute, second = (part.decode("ascii") for part in time.groups())
    return name, imprint, f"{year}-{month}-{day}T{hour}:{minute}:{second}Z"


def _parts(path: str, raw: bytes, *tags: int | None) -> list[bytes]:
    """The contents of the first elements in DER; None takes any tag, what follows is left."""
    found = []
    for tag in tags:
        if len(raw) < 2 or (tag is not None and raw[0] != tag):
            raise VerificationError(f"{path}: not a time stamp in DER")
        length, start = raw[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(raw[2:start], "big")
        if not 2 <= start <= 6 or raw[1] == 0x80 or start + length > len(raw):
            raise VerificationError(f"{path}: cut short, or not DER")
        found.append(raw[start : start + length])
        raw = raw[start + length :]
    return found


# The tree, from its definition, top down (RFC 6962 §2.1)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _left_size(size: int) -> int:
    """The largest power of two below size; size is at least 2."""
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def _root(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that a path leads to, or an error when its length does not fit the tree."""
    if size == 1:
        if path:
            raise VerificationError("a proof is longer than the tree is high")
        return leaf
    if not path:
        raise VerificationError("a proof is shorter than the tree is high")
    left = _left_size(size)
    if index < left:
        return _node(_root(leaf, index, left, path[:-1]), path[-1])
    return _node(path[-1], _root(leaf, index - left, size - left, path[:-1]))


def _both_roots(
    old: int, new: int, path: Sequence[bytes], claimed: bytes, *, whole: bool
) -> tuple[bytes, bytes]:
    """Older and newer root that a proof leads to; `whole` while the old tree is not yet cut."""
    if old == new:
        if whole:
            if path:
                raise VerificationError("a consistency proof is too long")
            return claimed, claimed
        if len(path) != 1:
            raise VerificationError("a consistency proof has the wrong length")
        return path[0], path[0]
    if not path:
        raise VerificationError("a consistency proof is too short")
    left = _left_size(new)
    if old <= left:
        found_old, found_new = _both_roots(old, left, path[:-1], claimed, whole=whole)
        return found_old, _node(found_new, path[-1])
    found_old, found_new = _both_roots(old - left, new - left, path[:-1], claimed, whole=False)
    return _node(path[-1], found_old), _node(path[-1], found_new)


# Reading without surprises


def _text(files: dict[str, bytes], name: str) -> str:
    try:
        return files[name].decode("utf-8")
    except UnicodeDecodeError as error:
        raise VerificationError(f"{name}: not UTF-8") from error


def _encode(what: str, text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise VerificationError(f"{what}: half a character") from error


def _json(what: str, text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise VerificationError(f"{what}: not JSON ({error})") from error


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # A key that stands twice reads differently in different programs.
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _object(what: str, text: str) -> dict[str, object]:
    value = _json(what, text)
    if not isinstance(value, dict):
        raise VerificationError(f"{what}: expected an object")
    return value


def _is(value: object, number: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value == number


def _hashes(what: str, value: object) -> list[bytes]:
    if not isinstance(value, list) or len(value) > 128:
        raise VerificationError(f"{what}: the proof is not a list of hashes")
    if not all(isinstance(item, str) and re.fullmatch("[0-9a-f]{64}", item) for item in value):
        raise VerificationError(f"{what}: the proof holds something that is not a hash")
    return [bytes.fromhex(item) for item in value]


def _base64(what: str, text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise VerificationError(f"{what}: not base64") from error
    if base64.b64encode(raw).decode("ascii") != text:
        raise VerificationError(f"{what}: base64 with stray bits")
    return raw


def _same(what: str, expected: bytes, found: bytes) -> None:
    if expected != found:
        raise VerificationError(f"{what}: expected {expected.hex()}, found {found.hex()}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; gives the exit code."""
    parser = argparse.ArgumentParser(prog="verify.py", description="Check an evidence bundle.")
    parser.add_argument("bundle", help="the zip file")
    parser.add_argument("--key", help="the public key known from elsewhere: name+id+key")
    try:
        options = parser.parse_args(arguments)
    except SystemExit as leaving:
        return 0 if leaving.code in (0, None) else 2
    try:
        report = verify(Path(options.bundle), options.key)
    except VerificationError as error:
        sys.stdout.write(f"NOT VERIFIED: {error}\n")
        return 1
    except CannotRun as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(report.text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
