"""TwiML as the emulator understands it: a closed list of verbs, and what following them means.

What is in no list is a fault of the document, as at Twilio, and the call ends there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from askfirst.errors import InvalidInput

LONGEST = 65_536
LONGEST_SAID = 4_096
"""Characters of one `Say` (Twilio, TwiML Say)."""

NESTED: Mapping[str, Mapping[str, frozenset[str]]] = {
    "Response": {
        name: frozenset()
        for name in (
            "Connect", "Say", "Pause", "Redirect", "Reject", "Hangup", "Dial",
        )
    },
    "Connect": {"Stream": frozenset({"url", "name", "statusCallback", "statusCallbackMethod"})},
    "Stream": {"Parameter": frozenset({"name", "value"})},
    "Dial": {
        "Number": frozenset({"url", "method", "statusCallback", "statusCallbackEvent"}),
        "Conference": frozenset(
            {
                "record", "beep", "startConferenceOnEnter", "endConferenceOnExit",
                "maxParticipants", "muted",
            }
        ),
    },
}  # fmt: skip
"""Which elements may stand in which, with attributes of those that are no verbs."""

VERBS: Mapping[str, frozenset[str]] = {
    "Response": frozenset(),
    "Connect": frozenset({"action", "method"}),
    "Say": frozenset({"language"}),
    "Pause": frozenset({"length"}),
    "Redirect": frozenset({"method"}),
    "Reject": frozenset({"reason"}),
    "Hangup": frozenset(),
    "Dial": frozenset(
        {
            "record", "callerId", "timeout", "timeLimit", "action", "method", "answerOnBridge",
            "hangupOnStar",
        }
    ),
}  # fmt: skip
WORDS: Mapping[str, frozenset[str]] = {
    "record": frozenset({"do-not-record"}),
    "reason": frozenset({"busy", "rejected"}),
    "beep": frozenset({"true", "false"}),
    "method": frozenset({"GET", "POST"}),
}
"""Closed lists of words, by attribute; recording is in none of them."""


@dataclass(slots=True)
class Element:
    """One element with what stands in it."""

    name: str
    attributes: Mapping[str, str]
    children: list[Element] = field(default_factory=list)
    text: str = ""


def parse(document: str) -> list[Element]:
    """The verbs of a document. Raises InvalidInput for what is none, or is not in the lists."""
    if len(document) > LONGEST:
        raise InvalidInput(f"a document of {len(document)} characters, expected {LONGEST} at most")
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.StartElementHandler = reader.open
    parser.EndElementHandler = reader.close
    parser.CharacterDataHandler = reader.write
    try:
        parser.Parse(document.encode(), True)
    except expat.ExpatError as fault:
        raise InvalidInput(f"a document that is no XML ({fault})") from None
    return reader.root.children[0].children


class _Reader:
    """Builds elements, and lets nothing in that is not listed."""

    def __init__(self) -> None:
        self.root = Element("", {})
        self._open = [self.root]

    def refuse(self, *_: object) -> None:
        raise InvalidInput("a document with a DOCTYPE, expected none")

    def open(self, name: str, attributes: dict[str, str]) -> None:
        parent = self._open[-1].name
        within = NESTED.get(parent, {}) if parent else {"Response": frozenset()}
        if name not in within:
            raise InvalidInput(f"the element {name} in {parent or 'the document'}")
        known = VERBS.get(name, within[name])
        unknown = sorted(set(attributes) - known)
        if unknown:
            raise InvalidInput(f"the attribute {unknown[0]} of {name}")
        for attribute, value in attributes.items():
            if attribute in WORDS and value not in WORDS[attribute]:
                raise InvalidInput(f"{attribute}={value} of {name}")
        element = Element(name, attributes)
        self._open[-1].children.append(element)
        self._open.append(element)

    def close(self, _: str) -> None:
        element = self._open.pop()
        if element.name == "Say" and len(element.text) > LONGEST_SAID:
            raise InvalidInput(f"Say with {len(element.text)} characters, at most {LONGEST_SAID}")

    def write(self, text: str) -> None:
        self._open[-1].text += text.strip()
