"""Whether a vCon is right: every fault of a document at once, stricter than the draft's schema.

vCon core 0.4.0 (draft-ietf-vcon-vcon-core-04) and lawful_basis (draft-howe-vcon-lawful-basis-02).
The draft's own schema takes plain-http addresses, recordings without content and old names, so
passing it proves little. `schemas/vcon-0.4.0.json` says the form once more for other programs;
what only code can say (indices, consent against content) is here alone.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from datetime import datetime

from askfirst.errors import InvalidInput

VERSION = "0.4.0"
LAWFUL_BASIS = "lawful_basis"
BASES = frozenset(
    [
        "consent",
        "contract",
        "legal_obligation",
        "vital_interests",
        "public_task",
        "legitimate_interests",
    ]
)
PROOF_TYPES = frozenset(
    ["verbal_confirmation", "signed_document", "cryptographic_signature", "external_system"]
)
DIALOG_TYPES = frozenset(["recording", "recording-set", "text", "transfer", "incomplete"])
DISPOSITIONS = frozenset(
    ["no-answer", "congestion", "failed", "busy", "hung-up", "voicemail-no-message"]
)
HISTORY_EVENTS = frozenset(["join", "drop", "hold", "unhold", "mute", "unmute", "keydown", "keyup"])
PARTY_TYPES = frozenset(["person", "bot", "organization"])
ANALYSIS_TYPES = frozenset(["report", "sentiment", "summary", "transcript", "translation", "tts"])
OLD_NAMES = {
    "appended": "amended",
    "group": "nothing (reserved)",
    "must_support": "critical",
    "mimetype": "mediatype",
    "schema_version": "schema",
    "alg": "content_hash",
    "signature": "content_hash",
}

Check = Callable[[object], str | None]
"""Looks at a value; None when it is right, else what was expected, without the value itself."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_HTTPS = re.compile(r"https://[^\s/?#]+[^\s]*")
_MEDIA = re.compile(r"[a-z0-9.+-]+/[a-z0-9.+-]+(?:; ?[a-z]+=[A-Za-z0-9._-]+)*")


class _Faults:
    """Faults with the path of each; knows how many parties and dialogs there are."""

    def __init__(self, document: Mapping[str, object]) -> None:
        self.lines: list[str] = []
        self.parties = len(_list(document.get("parties")))
        self.dialogs = len(_list(document.get("dialog")))

    def add(self, path: str, what: str) -> None:
        self.lines.append(f"{path}: {what}")

    def fields(
        self, path: str, value: object, allowed: Mapping[str, Check], required: str = ""
    ) -> dict[str, object]:
        """Check an object's fields one by one; gives the object, empty when it is none."""
        if not isinstance(value, dict):
            self.add(path, "expected an object")
            return {}
        for name in required.split():
            if name not in value:
                self.add(path, f"{name} is missing")
        for name, item in value.items():
            if name not in allowed:
                newer = OLD_NAMES.get(name)
                hint = f"an old name, write {newer}" if newer else "not a field here"
                self.add(f"{path}.{name}", hint)
            elif (expected := allowed[name](item)) is not None:
                self.add(f"{path}.{name}", f"expected {expected}")
        return value

    def party(self, value: object) -> str | None:
        return _below(value, self.parties, "the index of a party")

    def dialog(self, value: object) -> str | None:
        return _below(value, self.dialogs, "the index of a dialog")

    def channels(self, value: object) -> str | None:
        """One party, or a list with a party, several parties or null for each channel."""
        items = value if isinstance(value, list) and value else [value]
        for item in items:
            if item is None and isinstance(value, list):
                continue
            for index in item if isinstance(item, list) and item else [item]:
                if self.party(index):
                    return "for each channel a party's index, several, or null"
        return None


def check(document: object) -> None:
    """Return only for a right document; raises InvalidInput with every fault, one a line."""
    if not isinstance(document, dict):
        raise InvalidInput("vCon: expected an object")
    faults = _Faults(document)
    _check_top(document, faults)
    for index, party in enumerate(_list(document.get("parties"))):
        faults.fields(f"parties[{index}]", party, _PARTY)
    for index, dialog in enumerate(_list(document.get("dialog"))):
        _check_dialog(f"dialog[{index}]", dialog, document, faults)
    for index, item in enumerate(_list(document.get("analysis"))):
        _check_analysis(f"analysis[{index}]", item, faults)
    for index, item in enumerate(_list(document.get("attachments"))):
        _check_attachment(f"attachments[{index}]", item, faults)
    _check_grants(document, faults)
    if faults.lines:
        raise InvalidInput("vCon with faults:\n" + "\n".join(faults.lines))


def _check_top(document: dict[str, object], faults: _Faults) -> None:
    faults.fields("vcon", document, _TOP, "uuid created_at parties")
    if "redacted" in document and "amended" in document:
        faults.add("vcon", "redacted and amended exclude each other")
    for name in ("redacted", "amended"):
        if name in document:
            allowed = _REFERENCE if name == "amended" else {**_REFERENCE, "type": text}
            required = "uuid type" if name == "redacted" else ""
            found = faults.fields(name, document[name], allowed, required)
            if "url" in found and "content_hash" not in found:
                faults.add(name, "a url needs its content_hash")
    for extension in _list(document.get("critical")):
        # A reader must not go on when it does not know what it is told to know.
        if extension != LAWFUL_BASIS:
            faults.add("critical", "an extension that is not known here")
    has = any(is_lawful_basis(item) for item in _list(document.get("attachments")))
    if has != (LAWFUL_BASIS in _list(document.get("extensions"))):
        faults.add("extensions", "lawful_basis must stand there exactly when it is attached")


def _check_dialog(path: str, value: object, document: dict[str, object], faults: _Faults) -> None:
    allowed: dict[str, Check] = {
        **_CONTENT,
        **dict.fromkeys(("application", "message_id"), text),
        "type": one_of(DIALOG_TYPES),
        "start": time,
        "duration": _seconds,
        "parties": faults.channels,
        "session_id": _session,
        "disposition": one_of(DISPOSITIONS),
        "recordings": _all(faults.dialog),
        "party_history": _objects,
        "original": faults.dialog,
        "consultation": faults.dialog,
        "target_dialog": faults.dialog,
        "recording_set": faults.dialog,
        "originator": faults.party,
        "transferee": faults.party,
        "transferor": faults.party,
        "transfer_target": faults.party,
    }
    dialog = faults.fields(path, value, allowed, "type start")
    kind = dialog.get("type")
    if (kind == "incomplete") != ("disposition" in dialog):
        faults.add(path, "disposition belongs to an incomplete dialog, and to that only")
    if (kind == "recording-set") != ("recordings" in dialog):
        faults.add(path, "recordings belongs to a recording-set, and to that only")
    dialogs = _list(document.get("dialog"))
    for index in _list(dialog.get("recordings")):
        if faults.dialog(index) is None and isinstance(index, int):
            member = dialogs[index]
            if not isinstance(member, dict) or member.get("type") != "recording":
                faults.add(f"{path}.recordings", f"dialog {index} is not a recording")
    if kind in ("recording", "text"):
        if "parties" not in dialog:
            faults.add(path, "parties is missing")
        _check_content(path, dialog, faults, needed="redacted" not in document)
        if kind == "recording" and dialog.get("duration", 1) == 0:
            faults.add(path, "a recording of no length")
    elif has_content(dialog):
        faults.add(path, "content belongs to a recording or a text only")
    for index, event in enumerate(_list(dialog.get("party_history"))):
        _check_event(f"{path}.party_history[{index}]", event, faults)


def _check_event(path: str, value: object, faults: _Faults) -> None:
    allowed = {
        "party": faults.party,
        "time": time,
        "event": one_of(HISTORY_EVENTS),
        "button": one_of(frozenset("0123456789*#ABCD")),
    }
    event = faults.fields(path, value, allowed, "party time event")
    if ("button" in event) != (event.get("event") in ("keydown", "keyup")):
        faults.add(path, "button belongs to keydown and keyup, and to these only")


def _check_analysis(path: str, value: object, faults: _Faults) -> None:
    allowed: dict[str, Check] = {
        **_CONTENT,
        **dict.fromkeys(("vendor", "product", "schema"), text),
        "type": one_of(ANALYSIS_TYPES),
        "dialog": lambda item: faults.dialog(item) and _all(faults.dialog)(item),
        "attachment": lambda item: _below(item, 2**31, "an index"),
    }
    found = faults.fields(path, value, allowed, "type vendor")
    _check_content(path, found, faults, needed=True)


def _check_attachment(path: str, value: object, faults: _Faults) -> None:
    allowed: dict[str, Check] = {
        **_CONTENT,
        "purpose": text,
        "start": time,
        "party": faults.party,
        "dialog": faults.dialog,
    }
    if isinstance(value, dict) and "type" in value:
        faults.add(f"{path}.type", "an old name, write purpose")
        value = {name: item for name, item in value.items() if name != "type"}
    found = faults.fields(path, value, allowed, "purpose start party dialog")
    _check_content(path, found, faults, needed=True)
    if is_lawful_basis(found):
        if found.get("encoding") != "json":
            faults.add(path, "lawful_basis needs the encoding json")
        _check_lawful_basis(f"{path}.body", found.get("body"), faults)


def _check_lawful_basis(path: str, value: object, faults: _Faults) -> None:
    body = faults.fields(path, value, _LAWFUL_BODY, "lawful_basis expiration purpose_grants")
    grants = _list(body.get("purpose_grants"))
    if not grants:
        faults.add(path, "purpose_grants needs at least one grant")
    for index, item in enumerate(grants):
        faults.fields(f"{path}.purpose_grants[{index}]", item, _GRANT, "purpose granted granted_at")
    for index, item in enumerate(_list(body.get("proof_mechanisms"))):
        where = f"{path}.proof_mechanisms[{index}]"
        faults.fields(where, item, _PROOF, "proof_type timestamp proof_data")


def _check_content(path: str, item: dict[str, object], faults: _Faults, *, needed: bool) -> None:
    inline, outside = "body" in item, "url" in item
    if inline and outside:
        faults.add(path, "body and url exclude each other")
    elif needed and not inline and not outside:
        faults.add(path, "no content; expected body and encoding, or url and content_hash")
    if inline != ("encoding" in item):
        faults.add(path, "body and encoding go together")
    if outside and "content_hash" not in item:
        faults.add(path, "a url needs its content_hash")
    if inline and "mediatype" not in item:
        faults.add(path, "mediatype is missing")
    if item.get("encoding") == "base64url" and unbase64url(item.get("body")) is None:
        faults.add(path, "the body is not base64url without padding")
    if item.get("encoding") == "none" and not isinstance(item.get("body"), str):
        faults.add(path, "the body is not text")


def _check_grants(document: dict[str, object], faults: _Faults) -> None:
    """Content must follow consent: the most restrictive grant of all parties wins."""
    bodies = [
        item.get("body")
        for item in _list(document.get("attachments"))
        if isinstance(item, dict) and is_lawful_basis(item)
    ]
    for index, dialog in enumerate(_list(document.get("dialog"))):
        recorded = isinstance(dialog, dict) and dialog.get("type") == "recording"
        if recorded and has_content(dialog) and not all_grant(bodies, "recording"):
            faults.add(f"dialog[{index}]", "a recording that not every party has granted")
    for index, item in enumerate(_list(document.get("analysis"))):
        written = isinstance(item, dict) and item.get("type") == "transcript"
        if written and not all_grant(bodies, "transcription"):
            faults.add(f"analysis[{index}]", "a transcript that not every party has granted")


def all_grant(bodies: list[object], purpose: str) -> bool:
    """Whether there is a body and each of them grants the purpose and nowhere denies it."""
    for body in bodies:
        grants = _list(body.get("purpose_grants")) if isinstance(body, dict) else []
        found = [
            grant.get("granted")
            for grant in grants
            if isinstance(grant, dict) and grant.get("purpose") == purpose
        ]
        if not found or not all(granted is True for granted in found):
            return False
    return bool(bodies)


def is_lawful_basis(item: object) -> bool:
    """Whether an attachment is a lawful_basis."""
    return isinstance(item, dict) and item.get("purpose") == LAWFUL_BASIS


def has_content(item: object) -> bool:
    """Whether an object carries or points to content."""
    return isinstance(item, dict) and ("body" in item or "url" in item)


def unbase64url(value: object) -> bytes | None:
    """The bytes of base64url without padding (RFC 7515 §2), None for anything else."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_-]*", value):
        return None
    try:
        raw = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except (binascii.Error, ValueError):
        return None
    return raw if base64url(raw) == value else None


def base64url(raw: bytes) -> str:
    """Base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


# Checks of single values


def text(value: object) -> str | None:
    """A string that is not empty."""
    return None if isinstance(value, str) and value else "text"


def time(value: object) -> str | None:
    """RFC 3339 with a zone, and a date that exists."""
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return "a time that exists"
        return None
    return "an RFC 3339 time with its zone"


def one_of(words: frozenset[str]) -> Check:
    """A check for a closed list of words."""

    def look(value: object) -> str | None:
        return None if isinstance(value, str) and value in words else " or ".join(sorted(words))

    return look


def _any(_: object) -> str | None:
    return None


def _matches(pattern: re.Pattern[str], expected: str) -> Check:
    def look(value: object) -> str | None:
        return None if isinstance(value, str) and pattern.fullmatch(value) else expected

    return look


def _all(inner: Check) -> Check:
    def look(value: object) -> str | None:
        if not isinstance(value, list):
            return "a list"
        return next((fault for item in value if (fault := inner(item))), None)

    return look


def _below(value: object, limit: int, expected: str) -> str | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < limit
    return None if good else expected


def _seconds(value: object) -> str | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9
    return None if good else "seconds, not negative"


def _truth(value: object) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _map(value: object) -> str | None:
    return None if isinstance(value, dict) else "an object"


def _session(value: object) -> str | None:
    good = isinstance(value, dict) and set(value) == {"local", "remote"}
    return None if good and isinstance(value, dict) and not any(map(text, value.values())) else (
        "an object with the texts local and remote"
    )  # fmt: skip


def _content_hash(value: object) -> str | None:
    for item in value if isinstance(value, list) and value else [value]:
        raw = unbase64url(item[7:]) if isinstance(item, str) and item[:7] == "sha512-" else None
        if raw is None or len(raw) != 64:
            return "sha512- and the base64url of 64 bytes"
    return None


def _optional(inner: Check) -> Check:
    return lambda value: None if value is None else inner(value)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _objects(value: object) -> str | None:
    return _all(_map)(value)


_uuid = _matches(_UUID, "a lower-case UUID")
_https = _matches(_HTTPS, "an https address")
_CONTENT: Mapping[str, Check] = {
    "mediatype": _matches(_MEDIA, "a media type"),
    "filename": text,
    "body": _any,
    "encoding": one_of(frozenset(("base64url", "json", "none"))),
    "url": _https,
    "content_hash": _content_hash,
}
_REFERENCE: Mapping[str, Check] = {"uuid": _uuid, "url": _https, "content_hash": _content_hash}
_TOP: Mapping[str, Check] = {
    "vcon": one_of(frozenset((VERSION,))),
    "uuid": _uuid,
    "created_at": time,
    "updated_at": time,
    "subject": text,
    "extensions": _all(text),
    "critical": _all(text),
    "redacted": _map,
    "amended": _map,
    "parties": _objects,
    "dialog": _objects,
    "analysis": _objects,
    "attachments": _objects,
}
_PARTY: Mapping[str, Check] = {
    **dict.fromkeys(
        ["sip", "stir", "mailto", "name", "did", "validation", "gmlpos", "org", "dept"], text
    ),
    "tel": _matches(re.compile(r"\+[1-9][0-9]{1,14}"), "an E.164 number"),
    "uuid": _uuid,
    "type": one_of(PARTY_TYPES),
    "civicaddress": _map,
}
_LAWFUL_BODY: Mapping[str, Check] = {
    "lawful_basis": one_of(BASES),
    "expiration": _optional(time),
    "purpose_grants": _objects,
    "terms_of_service": _https,
    "status_interval": _matches(
        re.compile(r"[1-9][0-9]{0,4}[smhdw]"), "a number and s, m, h, d, w"
    ),
    "content_hash": _map,
    "registry": _map,
    "proof_mechanisms": _objects,
    "metadata": _map,
}
_GRANT: Mapping[str, Check] = {
    "purpose": text,
    "granted": _truth,
    "granted_at": time,
    "conditions": _all(text),
}
_PROOF: Mapping[str, Check] = {
    "proof_type": one_of(PROOF_TYPES),
    "timestamp": time,
    "proof_data": _map,
}
