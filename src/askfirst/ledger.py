"""The ledger's values: entries, commitments, checkpoints and evidence bundles.

Formats: RFC 8785 (canonical JSON), RFC 6962 (the tree, in `merkle`), C2SP signed-note and
tlog-checkpoint. Nothing here stores, signs or knows the time: rows, keys and clocks belong to the
server. `verify` is a second, independent implementation of the reading side, so that one mistake
does not hide in both.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import io
import itertools
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from askfirst.canonical import MAX_INT, canonical, well_formed
from askfirst.errors import InvalidInput, Unverified
from askfirst.merkle import (
    EMPTY_ROOT,
    Frontier,
    Tree,
    check_hashes,
    check_root,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    unhex,
    verify_consistency,
    verify_inclusion,
)

__all__ = [
    "EMPTY_ROOT",
    "MAX_BUNDLE_BYTES",
    "MAX_BUNDLE_ENTRIES",
    "README",
    "Checkpoint",
    "Datum",
    "Frontier",
    "Kind",
    "NoteSignature",
    "Tree",
    "bundle",
    "canonical",
    "commit",
    "consistency_proof",
    "entry",
    "inclusion_proof",
    "key_id",
    "leaf_hash",
    "node_hash",
    "parse_note",
    "parse_verifier_key",
    "root",
    "sign_note",
    "split_notes",
    "timestamp",
    "verifier_key",
    "verify_consistency",
    "verify_inclusion",
    "verify_note",
]

MAX_BUNDLE_ENTRIES = 100_000
MAX_BUNDLE_BYTES = 256 * 1024 * 1024


# Entries


class Kind(StrEnum):
    """What an entry states. Closed: a new kind is a new line here."""

    CALL_STARTED = "call.started"
    CALL_ANSWERED = "call.answered"
    CALL_ENDED = "call.ended"
    PARTY_JOINED = "party.joined"
    PARTY_LEFT = "party.left"
    PLACE_LEARNED = "place.learned"
    DECISION_MADE = "decision.made"
    NOTICE_STARTED = "notice.started"
    NOTICE_ENDED = "notice.ended"
    NOTICE_CUT = "notice.cut"
    CONSENT_GIVEN = "consent.given"
    CONSENT_REFUSED = "consent.refused"
    CONSENT_WITHDRAWN = "consent.withdrawn"
    RECORDING_WANTED = "recording.wanted"
    RECORDING_UNWANTED = "recording.unwanted"
    RECORDING_OPENED = "recording.opened"
    RECORDING_CLOSED = "recording.closed"
    RECORDING_SEALED = "recording.sealed"
    RECORDING_RECOVERED = "recording.recovered"
    RECORDING_CHECKED = "recording.checked"
    RECORDING_READY = "recording.ready"
    RECORDING_QUARANTINED = "recording.quarantined"
    RECORDING_CUT = "recording.cut"
    RECORDING_REDACTED = "recording.redacted"
    RECORDING_ERASED = "recording.erased"
    RECORDING_IMPORTED = "recording.imported"
    SOURCE_DELETED = "source.deleted"
    ERASURE_INTENDED = "erasure.intended"
    ERASURE_REPLAYED = "erasure.replayed"
    KEYS_ROTATED = "keys.rotated"
    KEYS_MOVED = "keys.moved"
    BACKUP_MADE = "backup.made"
    BACKUP_CHECKED = "backup.checked"
    BACKUP_RESTORED = "backup.restored"
    BACKUP_SWEPT = "backup.swept"
    PAUSE_STARTED = "pause.started"
    PAUSE_ENDED = "pause.ended"
    PROVIDER_CHANGED = "provider.changed"
    SWITCH_CHANGED = "switch.changed"
    ACKNOWLEDGEMENT_CHANGED = "acknowledgement.changed"
    CALL_PRIVATE = "call.private"
    OVERRIDE_USED = "override.used"
    OVERRIDE_ADMITTED = "override.admitted"
    OVERRIDE_ENDED = "override.ended"
    RULEBOOK_LOADED = "rulebook.loaded"
    RETENTION_SWEPT = "retention.swept"
    LEGAL_HOLD_PLACED = "legal-hold.placed"
    LEGAL_HOLD_RELEASED = "legal-hold.released"
    ACCESS_PLAYED = "access.played"
    ACCESS_READ = "access.read"
    ACCESS_ORIGINAL = "access.original"
    ACCESS_EXPORTED = "access.exported"
    ACCESS_FOUND = "access.found"
    ACCESS_SHARED = "access.shared"
    ACCESS_UNSHARED = "access.unshared"
    ACCESS_REFUSED = "access.refused"
    ACCESS_CERTIFIED = "access.certified"
    GATE_FAILED = "gate.failed"
    OUTCOME_SETTLED = "outcome.settled"
    QUEUE_RAISED = "queue.raised"
    QUEUE_ASKED = "queue.asked"
    QUEUE_ANSWERED = "queue.answered"
    QUEUE_DECIDED = "queue.decided"
    APPROVAL_ASKED = "approval.asked"
    APPROVAL_GIVEN = "approval.given"
    APPROVAL_DECLINED = "approval.declined"
    APPROVAL_EXPIRED = "approval.expired"
    REQUEST_RECEIVED = "request.received"
    REQUEST_EXTENDED = "request.extended"
    REQUEST_ANSWERED = "request.answered"
    REQUEST_REFUSED = "request.refused"
    PERSON_ERASED = "person.erased"
    RESTRICTION_PLACED = "restriction.placed"
    RESTRICTION_LIFTED = "restriction.lifted"
    STANDING_FILED = "standing-consent.filed"
    STANDING_WITHDRAWN = "standing-consent.withdrawn"
    STANDING_OPENED = "standing-consent.opened"
    TRANSCRIPT_CHANGED = "transcript.changed"


Datum = str | int | bool
"""A single fact in an entry: a code, an id, a count, a truth."""

_KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")
_ID = re.compile(r"[a-z]{2,12}_[0-9a-f]{32}")
_HASH = re.compile(r"sha(?:256|512):[0-9a-f]{64,128}")
_PLACE_OR_RULE = re.compile(
    r"(?:[A-Z]{2,3}(?:-[A-Z0-9]{1,3})?|UNKNOWN|POLICY|OVERRIDE)(?:[.][A-Za-z0-9_-]+)*"
)
_WORD = re.compile(r"[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*")
_DATE = re.compile(r"20[0-9]{2}-[01][0-9]-[0-3][0-9](?:T[0-9:.]{8,12}Z)?")
_VERSION = re.compile(
    r"20[0-9]{2}[.][01]?[0-9](?:[.][0-3]?[0-9])?|[0-9]{1,2}(?:[.][0-9]{1,2}){1,2}"
)
_MEASURED = re.compile(r"(?:.*_)?(?:ms|bytes|days|frames|samples|size|index|serial|count)")
_MAX_TEXT = 128
_MAX_DIGITS = 6
_MAX_LIST = 256
_MAX_PARTY = 999


def entry(
    kind: Kind,
    at: datetime,
    *,
    call: str | None = None,
    recording: str | None = None,
    party: int | None = None,
    data: Mapping[str, Datum | Sequence[Datum]] | None = None,
    commits: Mapping[str, str] | None = None,
) -> bytes:
    """Canonical bytes of one entry: ``{v, at, kind, call, recording?, party?, data, commits}``.

    `at` is any aware time; it is written in UTC with milliseconds. `call` and `recording` are
    ids, `party` its number in the call. `data` takes codes, ids, whole numbers, truths and lists
    of these; a number of seven digits or more only under a key that says what it measures
    (``…_ms``, ``…_bytes``, ``size`` …). `commits` holds what `commit` gave.

    Raises InvalidInput for anything that could be a name, a telephone number or spoken words.
    The check sees shapes only: one lower-case word passes, so callers give codes, not input.
    """
    body: dict[str, object] = {"v": 1, "at": timestamp(at), "kind": Kind(kind).value}
    body["call"] = None if call is None else _checked_id("call", call)
    if recording is not None:
        body["recording"] = _checked_id("recording", recording)
    if party is not None:
        if isinstance(party, bool) or not 0 <= party <= _MAX_PARTY:
            raise InvalidInput(f"ledger entry: party must be a number from 0 to {_MAX_PARTY}")
        body["party"] = party
    body["data"] = {_checked_key(key): _checked(key, value) for key, value in (data or {}).items()}
    body["commits"] = {
        _checked_key(key): unhex(f"ledger entry, commitment {key}", value).hex()
        for key, value in (commits or {}).items()
    }
    return canonical(body)


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, from an aware time; a naive one raises InvalidInput."""
    if at.utcoffset() is None:
        raise InvalidInput("a time without a zone; expected an aware one, give it tzinfo=UTC")
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def commit(salt: bytes, value: str) -> str:
    """Keyed commitment to a value, 64 hexadecimal digits: HMAC-SHA256 under the salt (RFC 2104).

    Whoever holds the salt can show what was committed; once it is destroyed nobody can. The salt
    must be at least 16 random bytes of one recording or person: numbers are easily guessed.
    """
    if len(salt) < 16:
        raise InvalidInput(f"commitment: a salt of {len(salt)} bytes; expected at least 16")
    return hmac.new(salt, well_formed(value).encode("utf-8"), hashlib.sha256).hexdigest()


def _checked_id(what: str, value: str) -> str:
    if not _ID.fullmatch(value):
        raise InvalidInput(
            f"ledger entry: {what} is not an id; expected letters, '_' and 32 hexadecimal digits"
        )
    return value


def _checked_key(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise InvalidInput("ledger entry: a key that is not lower-case letters, digits and '_'")
    return key


def _checked(key: str, value: Datum | Sequence[Datum]) -> object:
    if isinstance(value, list | tuple):
        if len(value) > _MAX_LIST:
            raise InvalidInput(f"ledger entry: {key} has more than {_MAX_LIST} items")
        return [_checked_datum(key, item) for item in value]
    return _checked_datum(key, value)


def _checked_datum(key: str, value: object) -> Datum:
    # A message never repeats the value: what is refused here may be somebody's number.
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) >= 10**_MAX_DIGITS and not _MEASURED.fullmatch(key):
            raise InvalidInput(
                f"ledger entry: {key} is a long number, which may be somebody's telephone; "
                "give a measure its unit in the key (…_ms, …_bytes), commit to anything else"
            )
        return value
    if isinstance(value, str) and len(value) <= _MAX_TEXT and _is_code(value):
        return str(value)
    raise InvalidInput(
        f"ledger entry: {key} is not a code, id, date, whole number or truth; "
        "personal values enter only as commitments"
    )


def _is_code(text: str) -> bool:
    if any(form.fullmatch(text) for form in (_ID, _HASH, _DATE, _VERSION)):
        return True
    if sum(character.isdigit() for character in text) > _MAX_DIGITS:
        return False
    return bool(_WORD.fullmatch(text) or _PLACE_OR_RULE.fullmatch(text))


# Checkpoints (C2SP tlog-checkpoint and signed-note)

_ED25519 = b"\x01"
_MAX_NOTE_CHARACTERS = 65_536
_MAX_SIGNATURES = 100


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A claim about the ledger: under this origin, so many entries, with this root."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or not _is_plain(self.origin) or "\n" in self.origin:
            raise InvalidInput("checkpoint: the origin must be one non-empty line of plain text")
        if not 0 <= self.size <= MAX_INT:
            raise InvalidInput(f"checkpoint: a size of {self.size}; expected 0 to 2^53")
        check_hashes("checkpoint", (self.root,))

    def text(self) -> str:
        """The three signed lines: origin, size, root in base64."""
        return f"{self.origin}\n{self.size}\n{_b64(self.root)}\n"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line of a note; `key_id` is 4 bytes, `signature` whatever the key made."""

    name: str
    key_id: bytes
    signature: bytes


def key_id(name: str, public_key: bytes) -> bytes:
    """The 4-byte id of an Ed25519 key under a name (C2SP signed-note)."""
    _check_key(name, public_key)
    message = name.encode("utf-8") + b"\n" + _ED25519 + public_key
    return hashlib.sha256(message).digest()[:4]


def verifier_key(name: str, public_key: bytes) -> str:
    """The public key as one line, ``name+id+key``, for people to keep and compare."""
    return f"{name}+{key_id(name, public_key).hex()}+{_b64(_ED25519 + public_key)}"


def parse_verifier_key(text: str) -> tuple[str, bytes]:
    """Name and 32-byte Ed25519 key of a `verifier_key` line; raises InvalidInput."""
    name, _, rest = text.partition("+")
    found_id, _, encoded = rest.partition("+")
    key = _unb64("verifier key", encoded)
    if key[:1] != _ED25519:
        raise InvalidInput("verifier key: not an Ed25519 key; expected key type 1")
    if key_id(name, key[1:]).hex() != found_id:
        raise InvalidInput("verifier key: the id does not belong to name and key; copy it again")
    return name, key[1:]


def sign_note(
    checkpoint: Checkpoint, key_name: str, public_key: bytes, sign: Callable[[bytes], bytes]
) -> str:
    """The checkpoint as a signed note; `sign` gives the Ed25519 signature of the bytes passed."""
    text = checkpoint.text()
    line = _b64(key_id(key_name, public_key) + sign(text.encode("utf-8")))
    return f"{text}\n— {key_name} {line}\n"


def parse_note(text: str) -> tuple[Checkpoint, tuple[NoteSignature, ...]]:
    """The checkpoint and every signature line of a note, nothing verified.

    Raises InvalidInput for a note that is malformed or carries more than the three lines.
    """
    if len(text) > _MAX_NOTE_CHARACTERS or not _is_plain(text):
        raise InvalidInput("note: too long, or with control characters; it is not a checkpoint")
    body, signed, tail = text.rpartition("\n\n")
    if not signed or not tail.endswith("\n"):
        raise InvalidInput("note: expected text, an empty line and signature lines")
    lines = tail[:-1].split("\n")
    if len(lines) > _MAX_SIGNATURES:
        raise InvalidInput(f"note: {len(lines)} signatures; expected at most {_MAX_SIGNATURES}")
    return _parse_checkpoint(body), tuple(_parse_signature(line) for line in lines)


def split_notes(text: str) -> tuple[str, ...]:
    """The notes of a file that holds several, with empty lines between; raises InvalidInput.

    Line ends and empty lines at the ends do not matter; nothing is parsed or verified.
    """
    blocks = [each for each in re.split(r"\n{2,}", text.replace("\r\n", "\n").strip("\n")) if each]
    if not blocks or len(blocks) % 2:
        raise InvalidInput("no checkpoints; expected three lines, an empty one, and a signature")
    pairs = zip(blocks[::2], blocks[1::2], strict=True)
    return tuple(f"{text}\n\n{signed}\n" for text, signed in pairs)


def verify_note(
    text: str, key_name: str, public_key: bytes, verify: Callable[[bytes, bytes], None]
) -> Checkpoint:
    """The checkpoint of a note, once the named key has been shown to have signed it.

    `verify(signature, message)` returns for a good Ed25519 signature and raises otherwise; what
    it raises passes through, so give one that raises Unverified. Unknown keys are ignored, as
    C2SP signed-note demands. Raises Unverified when the key did not sign.
    """
    checkpoint, signatures = parse_note(text)
    wanted = key_id(key_name, public_key)
    mine = [line for line in signatures if (line.name, line.key_id) == (key_name, wanted)]
    if not mine:
        raise Unverified(f"note: no signature of {key_name}+{wanted.hex()}; expected one")
    for line in mine:
        verify(line.signature, checkpoint.text().encode("utf-8"))
    return checkpoint


def _parse_checkpoint(body: str) -> Checkpoint:
    lines = body.split("\n")
    if len(lines) != 3:
        raise InvalidInput(f"checkpoint: {len(lines)} lines; expected origin, size and root")
    if not re.fullmatch(r"0|[1-9][0-9]{0,15}", lines[1]):
        raise InvalidInput("checkpoint: the second line must be the size in decimal digits")
    return Checkpoint(lines[0], int(lines[1]), _unb64("checkpoint", lines[2]))


def _parse_signature(line: str) -> NoteSignature:
    dash, name, encoded, *more = [*line.split(" "), "", ""]
    blob = _unb64("note signature", encoded)
    if dash != "—" or more != ["", ""] or len(blob) < 5 or not _is_key_name(name):
        raise InvalidInput("note: a signature line must be '— name base64'")
    return NoteSignature(name, blob[:4], blob[4:])


def _check_key(name: str, public_key: bytes) -> None:
    if not _is_key_name(name):
        raise InvalidInput("key name: expected plain text without spaces and '+'")
    if len(public_key) != 32:
        raise InvalidInput(f"public key: {len(public_key)} bytes; an Ed25519 key has 32")


def _is_key_name(name: str) -> bool:
    return bool(name) and "+" not in name and _is_plain(name) and not re.search(r"\s", name)


def _is_plain(text: str) -> bool:
    """Whether text is valid Unicode without control characters other than newline."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return not re.search(r"[\x00-\x09\x0b-\x1f]", text)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _unb64(what: str, text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(f"{what}: not base64 (RFC 4648 §4)") from error
    # Two texts for one value would let a byte change without notice.
    if _b64(raw) != text:
        raise InvalidInput(f"{what}: base64 with stray bits at its end")
    return raw


# Evidence bundles

README = """\
Evidence from the consent ledger of askfirst.

entries.jsonl      the entries, one a line: its index, and its exact text
proofs.jsonl       for each entry, the hashes that lead to the root of the newest checkpoint
checkpoints/       signed statements "so many entries, this root" (C2SP signed note)
consistency.json   hashes that show each checkpoint to be a continuation of the one before
key.txt            the public key that signed; compare it with the one you were given elsewhere
extra/             further documents, if there are any; extra/stamps/ holds time stamps of an
                   authority (RFC 3161) over checkpoints, each named after its size and day
verify.py          checks all of this: python verify.py BUNDLE.zip --key 'KEY FROM ELSEWHERE'

verify.py needs Python 3.11 and the package cryptography, nothing of askfirst. Whoever doubts it
can write another: tree and proofs are RFC 6962 and RFC 9162 with SHA-256, entries are RFC 8785.

What it shows: these entries stood in the ledger, at these places, when the newest checkpoint was
signed, and nothing before an older checkpoint was changed later. What it cannot show: that the
signer never kept a second ledger. That takes a checkpoint or a time stamp kept by somebody else.

verify.py only compares a stamp with its checkpoint. Whether the authority made it says openssl:
openssl ts -verify -in extra/stamps/STAMP.tsr -data checkpoints/SIZE.txt -CAfile AUTHORITY.pem
"""

_EXTRA_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*(?:[./][a-z0-9_-]+)*")


def bundle(
    entries: Mapping[int, bytes],
    leaves: Sequence[bytes],
    notes: Iterable[str],
    vkey: str,
    verifier: str,
    *,
    readme: str = README,
    extra: Mapping[str, bytes] | None = None,
) -> bytes:
    """A zip with entries, proofs, checkpoints and their verifier; equal input, equal bytes.

    `entries` maps index to entry bytes; `leaves` are the leaf hashes of the ledger from 0 to at
    least the newest checkpoint; `notes` are signed checkpoints, `vkey` their verifier key,
    `verifier` the source of verify.py. `extra` files go below ``extra/``.

    Raises Unverified when an entry or checkpoint does not fit the leaves, InvalidInput when
    there is no checkpoint, an entry is newer than all of them, or the limits are exceeded.
    """
    name, public_key = parse_verifier_key(vkey)
    by_size = _checked_notes(notes, name, public_key)
    newest = max(by_size)
    tree = Tree(leaves)
    for size, (checkpoint, _) in by_size.items():
        check_root(f"checkpoint of size {size}", tree.root(size), checkpoint.root)
    if len(entries) > MAX_BUNDLE_ENTRIES:
        raise InvalidInput(f"bundle: more than {MAX_BUNDLE_ENTRIES} entries; make several")
    lines, proofs = [], []
    for index, content in sorted(entries.items()):
        proof = tree.inclusion(index, newest)
        verify_inclusion(leaf_hash(content), index, newest, proof, tree.root(newest))
        lines.append(canonical({"index": index, "entry": content.decode("utf-8")}))
        proofs.append(canonical({"index": index, "proof": [item.hex() for item in proof]}))
    sizes = sorted(by_size)
    steps: list[object] = [
        {"from": old, "to": new, "proof": [item.hex() for item in tree.consistency(old, new)]}
        for old, new in itertools.pairwise(sizes)
    ]
    files = {
        "README.txt": readme.encode("utf-8"),
        "entries.jsonl": b"".join(line + b"\n" for line in lines),
        "proofs.jsonl": b"".join(line + b"\n" for line in proofs),
        "consistency.json": canonical(steps),
        "key.txt": f"{vkey}\n".encode(),
        "verify.py": verifier.encode("utf-8"),
    }
    for size, (_, note) in by_size.items():
        files[f"checkpoints/{size:016d}.txt"] = note.encode("utf-8")
    for path, content in (extra or {}).items():
        if not _EXTRA_NAME.fullmatch(path):
            raise InvalidInput("bundle: an extra file needs a plain lower-case relative name")
        files[f"extra/{path}"] = content
    manifest: dict[str, object] = {
        "format": "askfirst-evidence",
        "version": 1,
        "origin": by_size[newest][0].origin,
        "size": newest,
        "entries": len(entries),
        "files": {path: hashlib.sha256(content).hexdigest() for path, content in files.items()},
    }
    files["manifest.json"] = canonical(manifest)
    return _zip(files)


def _checked_notes(
    notes: Iterable[str], name: str, public_key: bytes
) -> dict[int, tuple[Checkpoint, str]]:
    by_size: dict[int, tuple[Checkpoint, str]] = {}
    for note in notes:
        checkpoint, signatures = parse_note(note)
        wanted = (name, key_id(name, public_key))
        if wanted not in {(line.name, line.key_id) for line in signatures}:
            raise Unverified(f"bundle: the checkpoint of size {checkpoint.size} has another key")
        if checkpoint.size == 0:
            raise InvalidInput("bundle: a checkpoint over no entry proves nothing; leave it out")
        by_size[checkpoint.size] = (checkpoint, note)
    if not by_size:
        raise InvalidInput("bundle: no checkpoint; make one first")
    if len({checkpoint.origin for checkpoint, _ in by_size.values()}) > 1:
        raise InvalidInput("bundle: checkpoints of several ledgers; make one bundle for each")
    return by_size


def _zip(files: Mapping[str, bytes]) -> bytes:
    if sum(map(len, files.values())) > MAX_BUNDLE_BYTES:
        raise InvalidInput(f"bundle: more than {MAX_BUNDLE_BYTES} bytes; make several")
    target = io.BytesIO()
    # Stored, not deflated: compressors differ between machines and equal input must stay equal.
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(files):
            info = zipfile.ZipInfo(path, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = 0o644 << 16
            archive.writestr(info, files[path])
    return target.getvalue()
