"""What a call starts from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from askfirst.policy import Policy

Prompts = Callable[[str, str], Sequence[bytes] | None]
"""Text and language to the 20 ms frames of its recorded prompt, None where there is none."""


@dataclass(frozen=True, slots=True)
class CallRequest:
    """What a call starts from. `announces` is whether the account plays announcements."""

    number: str
    agent_places: tuple[str, ...]
    policy: Policy = field(default_factory=Policy)
    contact_places: tuple[str, ...] = ()
    recorder_place: str | None = None
    announces: bool = True
    language: str = "en"
    provider: str = "simulator"
    persona: str | None = None
    recording_switch: bool = True
    is_acknowledged: bool = True
