"""Messages of SIP as the stack shows them: whether received or sent, start line, headers, body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_LINE = re.compile(r"\r?\n")
_SHORT: Mapping[str, str] = {"i": "call-id", "f": "from", "t": "to"}


class Message(NamedTuple):
    """One message; `headers` by their long names in small letters, the last of each name."""

    is_received: bool
    start: str
    headers: Mapping[str, str]
    body: str

    @property
    def call_id(self) -> str:
        """Which call it is of, "" where it is of none."""
        return self.headers.get("call-id", "")

    @property
    def sequence(self) -> str:
        """The number and method of its request, "" where it has none."""
        return self.headers.get("cseq", "")


def parsed(shown: str) -> Message:
    """A message of ``RX`` or ``TX`` and its way in a line, then its text (RFC 3261, 7); any text
    is one."""
    way, _, text = shown.partition("\n")
    start, *lines = _LINE.split(text)
    headers: dict[str, str] = {}
    name = ""
    for number, line in enumerate(lines):
        if not line:
            return Message(way.startswith("RX"), start, headers, "\n".join(lines[number + 1 :]))
        if line[0] in " \t":  # goes on (7.3.1)
            headers[name] = f"{headers.get(name, '')} {line.strip()}"
            continue
        name, _, value = line.partition(":")
        name = name.strip().lower()
        name = _SHORT.get(name, name)
        headers[name] = value.strip()
    return Message(way.startswith("RX"), start, headers, "")
