"""Which announcements an account needs: every text that its calls to some place would begin with.

Decided as a call would be today, for one other person who is in one place. People in several places
and later joiners can make further texts; those are told in person.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from askfirst.decide import decide
from askfirst.errors import InvalidInput
from askfirst.model import UNKNOWN, Form, Mode, Party, Place
from askfirst.notice import announcement
from askfirst.rules import Rulebook
from askfirst.server.account import Account
from askfirst.server.ownprompts import digest_of
from askfirst.server.texts import estimated_seconds


@dataclass(frozen=True, slots=True)
class NeededPrompt:
    """One text, the places whose calls need it, and about how long it takes to be read out."""

    text: str
    digest: str
    places: tuple[str, ...]
    seconds: int


@dataclass(frozen=True, slots=True)
class Unsayable:
    """Why calls to some places have no announcement at all."""

    fault: str
    places: tuple[str, ...]


def needed_prompts(
    wants: Account,
    home: str | None,
    language: str,
    places: Iterable[str],
    rules: Rulebook,
    on: date,
    *,
    messages: bool = False,
    understands: bool = False,
) -> tuple[list[NeededPrompt], list[Unsayable]]:
    """The texts for calls from home to each place, those for most places first.

    With `messages` also what callers from there hear who may leave one; `understands` is whether a
    spoken answer in this language would be understood here. `askfirst.model.UNKNOWN` stands for
    somebody whose place nobody knows. Raises InvalidInput for a language without notices.
    """
    # What would be said is worth recording while calls are not recorded, too.
    policy = replace(wants.policy(), recording_enabled=True)
    facts = wants.notice_facts(language)
    agent = Party.agent(home) if home else Party.agent()
    texts: dict[str, list[str]] = {}
    faults: dict[str, list[str]] = {}
    for code in places:
        contact = Party.contact() if code == UNKNOWN else Party.contact(Place(code))
        decision = decide([agent, contact], on, rules, policy, language=language)
        if decision.mode is Mode.FORBID:
            continue
        # As one in a call: where somebody has to agree, it ends with how to answer.
        asks = any(owed.form > Form.TOLD for owed in decision.requirements)
        hears = understands and wants.hears_answers and decision.spoken_answer
        kinds = [False] * bool(decision.requirements) + [True] * messages
        for message in kinds:
            try:
                text = announcement(
                    decision.elements, language, facts, keys=asks, message=message, spoken=hears
                )
            except InvalidInput as error:
                faults.setdefault(str(error), []).append(code)
            else:
                texts.setdefault(text, []).append(code)
    found = [
        NeededPrompt(text, digest_of(text), tuple(codes), estimated_seconds(text, language))
        for text, codes in texts.items()
    ]
    found.sort(key=lambda each: (-len(each.places), each.text))
    return found, [Unsayable(fault, tuple(codes)) for fault, codes in faults.items()]
