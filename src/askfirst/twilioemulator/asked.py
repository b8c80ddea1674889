"""What the emulator was asked for, and whether any of it would capture sound."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

Form = tuple[tuple[str, str], ...]

CAPTURES = ("Recordings", "Streams", "Siprec", "Transcriptions")
"""Resources of a call by which Twilio records, forks or transcribes it."""

_PARAMETERS = re.compile(r"(?i)^(record|transcri|machine|async_?amd)")
_ELEMENTS = re.compile(r"(?i)<\s*(record|start|siprec|transcription|recording|conversationrelay)\b")
_ATTRIBUTES = re.compile(r"(?i)\b(record\w*|transcribe\w*)\s*=\s*[\"']([^\"']*)")
_STREAMS = re.compile(r"<Stream\b[^>]*\burl=[\"']([^\"']*)")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, or one document that was given for a webhook (method TWIML)."""

    method: str
    path: str
    form: Form = field(default=(), repr=False)


class Record:
    """Every request since the start, the oldest first."""

    def __init__(self) -> None:
        self.all: list[Asked] = []

    def add(self, method: str, path: str, form: Form = ()) -> None:
        """Write one down, before anything comes of it."""
        self.all.append(Asked(method, path, form))

    def documents(self) -> Iterator[str]:
        """Every TwiML that was given."""
        for each in self.all:
            yield from (value for name, value in each.form if name == "Twiml")

    def streams(self) -> set[str]:
        """Where sound was asked to be sent."""
        return {url for document in self.documents() for url in _STREAMS.findall(document)}

    def captures(self) -> list[str]:
        """What would have recorded, forked or transcribed a call, or told a machine's voice."""
        return [why for each in self.all for why in _why(each)]


def _why(asked: Asked) -> Iterator[str]:
    parts = asked.path.removesuffix(".json").split("/")
    if asked.method == "POST" and set(CAPTURES) & set(parts):
        yield f"{asked.method} {parts[-1]}"
    for name, value in asked.form:
        if _PARAMETERS.search(name):
            yield f"{name}={value}"
        if name == "Twiml":
            yield from (f"<{element}>" for element in _ELEMENTS.findall(value))
            for attribute, stated in _ATTRIBUTES.findall(value):
                if stated != "do-not-record":
                    yield f"{attribute}={stated}"
