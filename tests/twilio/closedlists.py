"""What may be said to and by Twilio: closed lists, and everything else is a fault.

Written from Twilio's public description (api_v2010, voice_v1) and its documents on TwiML, not from
our own code, which has lists of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from xml.etree import ElementTree

from askfirst.twilioemulator.asked import Form

ACCOUNT = "/2010-04-01/Accounts/{Sid}"
_PAGES = frozenset({"PageSize", "Page", "PageToken"})
_CHANGES = frozenset({"Twiml", "Status"})
_NUMBER = frozenset(
    {
        "VoiceUrl", "VoiceMethod", "VoiceFallbackUrl", "VoiceFallbackMethod",
        "StatusCallback", "StatusCallbackMethod",
    }
)  # fmt: skip
OPERATIONS: Mapping[tuple[str, str], frozenset[str]] = {
    ("GET", f"{ACCOUNT}.json"): frozenset(),
    ("POST", f"{ACCOUNT}/Calls.json"): frozenset(
        {
            "To", "From", "Twiml", "StatusCallback", "StatusCallbackMethod",
            "StatusCallbackEvent", "Timeout", "TimeLimit",
        }
    ),
    ("GET", f"{ACCOUNT}/Calls.json"): _PAGES | {"StartTime>", "ParentCallSid"},
    ("GET", f"{ACCOUNT}/Calls/{{Sid}}.json"): frozenset(),
    ("POST", f"{ACCOUNT}/Calls/{{Sid}}.json"): _CHANGES,
    ("GET", f"{ACCOUNT}/Recordings.json"): _PAGES
    | {"DateCreated>", "CallSid", "IncludeSoftDeleted"},
    ("GET", f"{ACCOUNT}/Recordings/{{Sid}}.json"): frozenset(),
    ("DELETE", f"{ACCOUNT}/Recordings/{{Sid}}.json"): frozenset(),
    ("GET", f"{ACCOUNT}/IncomingPhoneNumbers.json"): _PAGES,
    ("POST", f"{ACCOUNT}/IncomingPhoneNumbers/{{Sid}}.json"): _NUMBER,
    ("GET", "/v1/DialingPermissions/Countries"): _PAGES,
}  # fmt: skip
"""Every operation that we ask for, with every parameter that we may send."""

SOUND = re.compile(r"/2010-04-01/Accounts/\w+/Recordings/RE\w+\.(wav|mp3)")
OF_SOUND = frozenset({"RequestedChannels"})
"""The sound of a recording, and its parameters, which the description leaves out."""

CAPTURING = re.compile(r"(?i)record|transcri|siprec|machine|amd|payment|^stream")
"""Of parameters and operations; deleting a recording and reading of them is none."""

WORDS: Mapping[str, frozenset[str]] = {
    "Status": frozenset({"completed", "canceled"}),
    "StatusCallbackEvent": frozenset({"initiated", "ringing", "answered", "completed"}),
    "StatusCallbackMethod": frozenset({"POST"}),
    "VoiceMethod": frozenset({"POST"}),
    "VoiceFallbackMethod": frozenset({"POST"}),
    "IncludeSoftDeleted": frozenset({"true"}),
    "RequestedChannels": frozenset({"1", "2"}),
}
"""Of parameters."""

ADDRESSES = frozenset({"StatusCallback", "VoiceUrl", "VoiceFallbackUrl"})

Elements = Mapping[tuple[str, str], frozenset[str]]
ELEMENTS: Elements = {
    ("Response", "Connect"): frozenset(),
    ("Connect", "Stream"): frozenset({"url"}),
    ("Stream", "Parameter"): frozenset({"name", "value"}),
    ("Response", "Say"): frozenset({"language"}),
    ("Response", "Hangup"): frozenset(),
    ("Response", "Reject"): frozenset({"reason"}),
    ("Response", "Dial"): frozenset({"record", "callerId", "timeout", "action"}),
    ("Dial", "Number"): frozenset({"statusCallback", "statusCallbackEvent"}),
    ("Dial", "Conference"): frozenset(
        {"record", "beep", "startConferenceOnEnter", "endConferenceOnExit", "maxParticipants"}
    ),
}
"""Every element that we write, by what it stands in, with its attributes."""

ATTRIBUTE_WORDS: Mapping[str, frozenset[str]] = {
    "record": frozenset({"do-not-record"}),
    "reason": frozenset({"busy", "rejected"}),
    "beep": frozenset({"false"}),
    "startConferenceOnEnter": frozenset({"true"}),
    "endConferenceOnExit": frozenset({"true"}),
    "statusCallbackEvent": frozenset({"answered", "completed"}),
    "language": frozenset({"en-US", "nb-NO"}),
}
OWN_ADDRESSES = frozenset({"url", "action", "statusCallback"})

MEDIA = re.compile(r"Recordings/RE[0-9a-fA-F]{32}")

ONE_BYTE = "bytes=0-0"
"""What is asked for without credentials, to see whether that is refused."""


@dataclass
class Asked:
    """A request of ours to Twilio; `secret` is what it was made with, empty for none."""

    method: str
    path: str
    query: Form
    form: Form = field(repr=False)
    secret: str = field(repr=False)
    range: str = ""
    status: int | None = None
    answer: bytes = field(default=b"", repr=False)


@dataclass
class Told:
    """A webhook, and what we answered, None where that was no success."""

    url: str
    fields: Form = field(repr=False)
    answer: str | None = None


@dataclass
class Streamed:
    """A media stream that Twilio opened."""

    url: str


@dataclass
class Shown:
    """An answer of our server: headers, body and messages."""

    path: str
    text: str = field(default="", repr=False)


@dataclass
class Seen:
    """All that was said, in its order. `ours` are addresses of ours, as "host:port"."""

    asked: list[Asked] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    streamed: list[Streamed] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)
    ours: set[str] = field(default_factory=set)


def faults(seen: Seen) -> list[str]:
    """Whatever was said that is in no list, in words; empty is what it has to be."""
    return [
        *(f"{each.method} {each.path}: {why}" for each in seen.asked for why in _of(each, seen)),
        *(f"answer to {each.url}: {why}" for each in seen.told for why in _answered(each, seen)),
        *(f"stream to {each.url}" for each in seen.streamed if not _is_ours(each.url, seen, "ws")),
        *(f"answer of {each.path}: {why}" for each in seen.shown for why in _in_page(each, seen)),
        *(f"log: {why}" for each in seen.logged for why in _leaks(each, seen)),
    ]


def _of(asked: Asked, seen: Seen) -> Iterator[str]:
    """What is wrong with a request of ours."""
    names = frozenset(name for name, _ in (*asked.query, *asked.form))
    yield from (f"{name} captures" for name in sorted(names) if CAPTURING.search(name))
    known = _known(asked)
    if known is None:
        yield "no operation of ours"
        last = [part for part in asked.path.removesuffix(".json").split("/") if part]
        if asked.method == "POST" and any(CAPTURING.search(part) for part in last):
            yield "captures"
    else:
        yield from (f"unknown parameter {name}" for name in sorted(names - known))
    for name, value in (*asked.query, *asked.form):
        if name in WORDS and value not in WORDS[name]:
            yield f"{name}={value}"
        if name in ADDRESSES and not _is_ours(value, seen, "http"):
            yield f"{name} is not ours"
        if name == "Twiml":
            yield from documented(value, seen)
    is_sound = asked.path.endswith((".wav", ".mp3"))
    if not asked.secret and not (is_sound and asked.range == ONE_BYTE):
        yield "without credentials"


def _known(asked: Asked) -> frozenset[str] | None:
    if asked.method == "GET" and SOUND.fullmatch(asked.path):
        return OF_SOUND
    for (method, template), known in OPERATIONS.items():
        pattern = re.escape(template).replace(re.escape("{Sid}"), "[A-Za-z0-9]+")
        if method == asked.method and re.fullmatch(pattern, asked.path):
            return known
    return None


def _answered(told: Told, seen: Seen) -> Iterator[str]:
    """What is wrong with our answer to a webhook."""
    if told.answer:
        yield from documented(told.answer, seen)
        yield from _leaks(told.answer, seen)


def documented(twiml: str, seen: Seen) -> Iterator[str]:
    """What is wrong with TwiML of ours."""
    try:
        root = ElementTree.fromstring(twiml)  # noqa: S314 - our own
    except ElementTree.ParseError:
        yield "no TwiML"
        return
    if root.tag != "Response" or root.attrib:
        yield f"<{root.tag}> as a document"
    yield from _within(root, seen)


def _within(parent: ElementTree.Element, seen: Seen) -> Iterator[str]:
    for each in parent:
        known = ELEMENTS.get((parent.tag, each.tag))
        if known is None:
            yield f"<{each.tag}> in <{parent.tag}>"
        for name, value in each.attrib.items():
            if known is not None and name not in known:
                yield f"{name} of <{each.tag}>"
            if value not in ATTRIBUTE_WORDS.get(name, (value,)):
                yield f"{name}={value} of <{each.tag}>"
            scheme = "ws" if each.tag == "Stream" else "http"
            if name in OWN_ADDRESSES and not _is_ours(value, seen, scheme):
                yield f"{name} of <{each.tag}> is not ours"
        yield from _within(each, seen)


def _in_page(shown: Shown, seen: Seen) -> Iterator[str]:
    yield from _leaks(shown.text, seen)
    _, found, document = shown.text.partition("<Response")
    if found and "application/xml" in shown.text:
        yield from documented(found + document, seen)


def _leaks(text: str, seen: Seen) -> Iterator[str]:
    """What must be in no answer and no log."""
    if MEDIA.search(text):
        yield "the address of a recording"
    if any(secret in text for secret in secrets(seen.asked)):
        yield "a secret"


def secrets(asked: Iterable[Asked]) -> set[str]:
    """Everything that requests were made with."""
    return {each.secret for each in asked if each.secret}


def _is_ours(url: str, seen: Seen, scheme: str) -> bool:
    parts = urlsplit(url)
    is_plain = not (parts.username or parts.fragment)
    return parts.scheme in (scheme, f"{scheme}s") and parts.netloc in seen.ours and is_plain
