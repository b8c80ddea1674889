"""vCons from and for elsewhere: signing, opening a signed one, reading a foreign one.

Signed form: JWS general serialisation (RFC 7515 §7.2.1) with `x5c` and the vCon's uuid in the
protected header; the draft wants x5c beside it, where anybody may change it, so both are read.
Reading is liberal in form (older names, JSON inside strings, the expired consent
attachment) and strict in meaning: what is not clearly granted is denied. Keys, certificates and
their trust belong to the caller.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from askfirst.errors import InvalidInput, Unverified
from askfirst.vconcheck import BASES, LAWFUL_BASIS, base64url, has_content, time, unbase64url

ALGORITHMS = frozenset(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384"))
"""Signature algorithms that are accepted at all; "none" and shared secrets are not."""

MAX_BYTES = 512 * 1024 * 1024
"""Largest vCon that is unpacked from gzip."""

_GZIP = b"\x1f\x8b"
CLOCK_SKEW = timedelta(minutes=5)
"""How far clocks may differ (draft-howe-vcon-lawful-basis-02)."""


class Form(StrEnum):
    """How a vCon is wrapped; told from its keys."""

    SIGNED = "signed"
    ENCRYPTED = "encrypted"
    UNSIGNED = "unsigned"


def form(document: Mapping[str, object]) -> Form:
    """Whether a vCon is signed, encrypted or neither."""
    if "payload" in document and "signatures" in document:
        return Form.SIGNED
    if "ciphertext" in document and "recipients" in document:
        return Form.ENCRYPTED
    return Form.UNSIGNED


def sign(
    document: Mapping[str, object],
    certificate_chain_der: Sequence[bytes],
    sign: Callable[[bytes], bytes],
    alg: str = "RS256",
) -> dict[str, object]:
    """A vCon in signed form; `sign` gives the signature of the bytes passed under `alg`.

    The chain begins with the certificate of the signing key. Raises InvalidInput without a
    chain or a uuid, or for an algorithm that no reader accepts.
    """
    if alg not in ALGORITHMS:
        raise InvalidInput(f"vCon: the algorithm {alg!r}; expected {', '.join(sorted(ALGORITHMS))}")
    if not certificate_chain_der:
        raise InvalidInput("vCon: no certificate; a signed vCon names the one it was signed with")
    if not isinstance(document.get("uuid"), str):
        raise InvalidInput("vCon: no uuid to bind the signature to")
    header = {
        "alg": alg,
        "x5c": [base64.b64encode(der).decode("ascii") for der in certificate_chain_der],
        "uuid": document["uuid"],
    }
    protected, payload = base64url(_dump(header)), base64url(_dump(document))
    signature = sign(f"{protected}.{payload}".encode("ascii"))
    return {
        "payload": payload,
        "signatures": [{"protected": protected, "signature": base64url(signature)}],
    }


Verify = Callable[[str, Sequence[bytes], bytes, bytes], None]
"""``verify(alg, certificate_chain_der, signature, message)``: returns for a good signature of a
certificate that the caller trusts, and raises otherwise, best Unverified."""


def verify_signed(document: Mapping[str, object], verify: Verify) -> dict[str, object]:
    """The vCon inside a signed one, once every signature on it has been verified.

    What `verify` raises passes through. Raises Unverified when the uuid in a header is not that
    of the vCon, InvalidInput when the form is not that of a signed vCon.
    """
    payload = document.get("payload")
    raw = unbase64url(payload)
    signatures = document.get("signatures")
    if raw is None or not isinstance(payload, str):
        raise InvalidInput("signed vCon: the payload is not base64url without padding")
    if not isinstance(signatures, list) or not signatures:
        raise InvalidInput("signed vCon: no signatures")
    uuids = set()
    for item in signatures:
        if not isinstance(item, dict):
            raise InvalidInput("signed vCon: a signature that is not an object")
        protected, signature = item.get("protected"), unbase64url(item.get("signature"))
        alg, chain, uuid = _header(protected, item.get("header", {}))
        if signature is None:
            raise InvalidInput("signed vCon: a signature that is not base64url without padding")
        verify(alg, chain, signature, f"{protected}.{payload}".encode("ascii"))
        uuids.add(uuid)
    content = _load(_inflated(raw) if raw[:2] == _GZIP else raw)
    # The header's uuid is only recommended; where it stands it must be true.
    if uuids - {None} - {content.get("uuid")}:
        raise Unverified("signed vCon: expected the uuid of the header inside, found another one")
    return content


def _header(protected: object, beside: object) -> tuple[str, list[bytes], object]:
    raw = unbase64url(protected)
    if raw is None or not isinstance(beside, dict):
        raise InvalidInput("signed vCon: no protected header, or a header that is not an object")
    inner = _load(raw)
    # RFC 7515 §4 wants each name in one place; the draft's own example repeats some.
    if any(inner[name] != beside[name] for name in inner.keys() & beside.keys()):
        raise InvalidInput("signed vCon: the two headers contradict each other")
    header = beside | inner
    alg, chain = header.get("alg"), header.get("x5c")
    if not isinstance(alg, str) or alg not in ALGORITHMS:
        raise InvalidInput("signed vCon: an algorithm that is not accepted")
    if "crit" in header:
        raise InvalidInput("signed vCon: critical header fields; none is known here")
    if not isinstance(chain, list) or not chain:
        raise InvalidInput("signed vCon: no x5c; only certificates inside are read")
    return alg, [_certificate(item) for item in chain], header.get("uuid")


def _inflated(raw: bytes) -> bytes:
    """The content of a gzip member (RFC 1952), at most MAX_BYTES of it."""
    try:
        machine = zlib.decompressobj(wbits=31)
        content = machine.decompress(raw, MAX_BYTES + 1)
    except zlib.error as error:
        raise InvalidInput("signed vCon: a gzip payload that cannot be unpacked") from error
    if len(content) > MAX_BYTES or not machine.eof:
        raise InvalidInput(f"signed vCon: a gzip payload cut short or beyond {MAX_BYTES} bytes")
    return content


def _certificate(value: object) -> bytes:
    try:
        return base64.b64decode(value if isinstance(value, str) else "?", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("signed vCon: a certificate that is not base64") from error


def _dump(value: object) -> bytes:
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
    ).encode("utf-8")


def _load(raw: bytes) -> dict[str, object]:
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("vCon: not JSON in UTF-8 with each name once") from error
    if not isinstance(value, dict):
        raise InvalidInput("vCon: expected an object")
    return value


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


# Reading


@dataclass(frozen=True, slots=True)
class PartyGrants:
    """What one attachment says one party grants; `grants` is purpose, yes or no, since when.

    `recheck` is how long a grant without an end may be relied on before asking again.
    """

    party: int
    basis: str
    expires_at: datetime | None
    recheck: timedelta | None
    grants: tuple[tuple[str, bool, datetime], ...]
    metadata: Mapping[str, object] = field(default_factory=dict)

    def answer(self, purpose: str, on: datetime) -> bool | None:
        """Yes, no, or None where this attachment says nothing valid at that time."""
        found = [(granted, at) for name, granted, at in self.grants if name == purpose]
        if not all(granted for granted, _ in found):
            return False
        if self.expires_at is not None and on > self.expires_at + CLOCK_SKEW:
            return None
        for _, at in found:
            if on < at - CLOCK_SKEW:
                return None
            if self.recheck is not None and on > at + self.recheck + CLOCK_SKEW:
                return None
        return True if found else None


@dataclass(frozen=True, slots=True)
class Imported:
    """What a vCon from elsewhere says, as far as consent needs it.

    `numbers` has one item a party, None where there is none. `decision` is ours when the vCon
    was written by us.
    """

    uuid: str | None
    created_at: datetime | None
    numbers: tuple[str | None, ...]
    consents: tuple[PartyGrants, ...]
    decision: Mapping[str, object] | None
    content_hashes: tuple[str, ...]
    has_recording: bool
    has_transcript: bool

    def permits(self, purpose: str, on: datetime) -> bool:
        """Whether every party that speaks of consent grants a purpose at an aware time.

        The most restrictive answer wins; nothing valid means no. A naive time raises
        InvalidInput.
        """
        if on.utcoffset() is None:
            raise InvalidInput("a time without a zone; expected an aware one, give it tzinfo=UTC")
        answers: dict[int, list[bool | None]] = {}
        for consent in self.consents:
            answers.setdefault(consent.party, []).append(consent.answer(purpose, on))
        return bool(answers) and all(
            True in given and False not in given for given in answers.values()
        )


def read(document: Mapping[str, object]) -> Imported:
    """What an unsigned vCon of this or an older version says about consent.

    Raises InvalidInput for a signed or encrypted one (open it first) and for one that marks
    an extension as critical which is not known here.
    """
    found = form(document)
    if found is not Form.UNSIGNED:
        raise InvalidInput(f"vCon: it is {found}; open it first, then read what is inside")
    critical = [*_list(document.get("critical")), *_list(document.get("must_support"))]
    if any(name != LAWFUL_BASIS for name in critical):
        raise InvalidInput("vCon: a critical extension that is not known here; do not process it")
    attachments = _objects(document.get("attachments"))
    consents = [_consent(item) for item in attachments if _purpose(item) in _READERS]
    dialogs, analyses = _objects(document.get("dialog")), _objects(document.get("analysis"))
    decisions = [item.metadata.get("decision") for item in consents]
    uuid = document.get("uuid")
    return Imported(
        uuid=uuid if isinstance(uuid, str) else None,
        created_at=_time(document.get("created_at")),
        numbers=tuple(_number(item) for item in _objects(document.get("parties"))),
        consents=tuple(consents),
        decision=next((item for item in decisions if isinstance(item, dict)), None),
        content_hashes=tuple(
            value
            for dialog in dialogs
            for value in _listed(dialog.get("content_hash"))
            if isinstance(value, str)
        ),
        has_recording=any(d.get("type") == "recording" and has_content(d) for d in dialogs),
        has_transcript=any(item.get("type") == "transcript" for item in analyses),
    )


def _purpose(attachment: Mapping[str, object]) -> str:
    # Older versions called it type.
    value = attachment.get("purpose", attachment.get("type"))
    return value if isinstance(value, str) else ""


def _consent(attachment: Mapping[str, object]) -> PartyGrants:
    body = attachment.get("body")
    if isinstance(body, str):
        # Some writers put the JSON into a string under the same encoding.
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            body = None
    body = body if isinstance(body, dict) else {}
    party = attachment.get("party", body.get("party"))
    metadata = body.get("metadata")
    expiration, expires_at = body.get("expiration"), _time(body.get("expiration"))
    if expiration is None or expires_at is not None:
        basis, grants = _READERS[_purpose(attachment)](body)
    else:
        # An end that cannot be read is no end that could be relied on.
        basis, grants = "", ()
    return PartyGrants(
        party=party if isinstance(party, int) and not isinstance(party, bool) else -1,
        basis=basis,
        expires_at=expires_at,
        recheck=_interval(body.get("status_interval")),
        grants=grants,
        metadata=metadata if isinstance(metadata, dict) else {},
    )


Grants = tuple[tuple[str, bool, datetime], ...]


def _read_lawful_basis(body: Mapping[str, object]) -> tuple[str, Grants]:
    basis = body.get("lawful_basis")
    if not isinstance(basis, str) or basis not in BASES:
        return "", ()
    grants = []
    for item in _objects(body.get("purpose_grants")):
        purpose, granted = item.get("purpose"), item.get("granted")
        at = _time(item.get("granted_at"))
        if isinstance(purpose, str):
            # A grant without its time is invalid, a denial needs none.
            grants.append((purpose, granted is True and at is not None, at or _NEVER))
    return basis, tuple(grants)


def _read_consent(body: Mapping[str, object]) -> tuple[str, Grants]:
    """The expired consent attachment, in both shapes that its draft gives."""
    grants = []
    for item in _objects(body.get("consents")):
        purpose = item.get("purpose", item.get("consent"))
        granted = item.get("status") == "granted" or item.get("value") is True
        at = _time(item.get("timestamp"))
        if isinstance(purpose, str):
            # The second shape has no time: where re-checks are asked for, one is overdue.
            grants.append((purpose, granted, at or _NEVER))
    return "consent", tuple(grants)


_READERS: Mapping[str, Callable[[Mapping[str, object]], tuple[str, Grants]]] = {
    LAWFUL_BASIS: _read_lawful_basis,
    "consent": _read_consent,
}
_NEVER = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _number(party: Mapping[str, object]) -> str | None:
    value = party.get("tel")
    return value.removeprefix("tel:") if isinstance(value, str) else None


def _interval(value: object) -> timedelta | None:
    match = re.fullmatch(r"([1-9][0-9]{0,4})([smhdw])", value) if isinstance(value, str) else None
    if match is None:
        # Absent means no rechecking; present and unreadable means that it is due.
        return None if value is None else timedelta(0)
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
    return timedelta(**{units[match[2]]: int(match[1])})


def _time(value: object) -> datetime | None:
    if isinstance(value, str) and time(value) is None:
        return datetime.fromisoformat(value)
    return None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _objects(value: object) -> list[dict[str, object]]:
    return [item for item in _list(value) if isinstance(item, dict)]
