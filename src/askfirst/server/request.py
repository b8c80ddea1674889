"""What a call starts from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from askfirst.override import Override
from askfirst.policy import Policy
from askfirst.rules import Rulebook
from askfirst.server.standingscope import Scope

INBOUND = "inbound"
"""The direction of a call from outside."""


class Voice(StrEnum):
    """Who speaks an announcement: somebody who was recorded, or a program in their place."""

    RECORDED = "recorded"
    PLACEHOLDER = "placeholder"


@dataclass(frozen=True, slots=True)
class Prompt:
    """An announcement as it is played: frames of 20 ms, at least one, and whose voice it is."""

    frames: Sequence[bytes]
    voice: Voice = Voice.RECORDED


Prompts = Callable[[str, str], Prompt | None]
"""Text and language to what is played for exactly these, None where nothing can be.

It may block, so it is called in a thread.
"""


@dataclass(frozen=True, slots=True)
class Known:
    """What the account knows of a number's owner: places, whether never to record, what they have
    signed, and whether what is recorded may be stored and nothing else.
    """

    places: tuple[str, ...] = ()
    has_objected: bool = False
    standing: tuple[Scope, ...] = ()
    is_restricted: bool = False


@dataclass(frozen=True, slots=True)
class CallRequest:
    """What a call starts from.

    `announces` is whether the account plays announcements, `beeps` whether a tone is heard while
    the call is recorded, `hears_answers` whether spoken answers are listened for. `rules` are the
    packaged ones where None; `overrides` must have been verified. `is_acknowledged` is whether the
    agent has confirmed the employee notice, `has_agreed` whether the agent's agreement to be
    recorded is in force (`agreements`), `settled` what is on record about sites (`sites`), None
    where somebody else answers for that; `agent` is the user who makes or takes the call, None
    where no page is in use or nobody took it; `direction` is outbound or inbound, `own_number` the
    one of ours that was called; `takes_message` is whether nobody but the caller is on it, who
    leaves a message.
    `standing` is what the contact has signed for this number. `is_private` is whether its agent
    wants nothing of it kept, `may_be_private` whether the account lets an agent say so. `look_up`
    tells what is known of somebody who joins by number; it may block, and the gate is closed
    meanwhile.
    """

    number: str
    agent_places: tuple[str, ...]
    policy: Policy = field(default_factory=Policy)
    contact_places: tuple[str, ...] = ()
    recorder_place: str | None = None
    announces: bool = True
    beeps: bool = False
    hears_answers: bool = False
    language: str = "en"
    provider: str = "simulator"
    direction: str = "outbound"
    own_number: str | None = None
    takes_message: bool = False
    is_private: bool = False
    may_be_private: bool = True
    persona: str | None = None
    agent: str | None = None
    recording_switch: bool = True
    is_acknowledged: bool = True
    has_agreed: bool = True
    settled: frozenset[tuple[str, str]] | None = None
    rules: Rulebook | None = None
    overrides: tuple[Override, ...] = ()
    standing: tuple[Scope, ...] = ()
    look_up: Callable[[str], Known] | None = None
