"""A decision in words and as JSON: the same content, for people and for programs.

Nothing is decided here and nothing is added: every line comes from the decision. The notice is
the only text that is composed, from the elements that the decision asks for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import assert_never

from askfirst.model import (
    USES_OF_A_RECORDING,
    Decision,
    Duty,
    Element,
    Notice,
    Purpose,
    Reason,
    Requirement,
    WorkplaceGate,
)
from askfirst.notice import LANGUAGES, NoticeFacts, compose
from askfirst.scene import party_words
from askfirst.wording import say

_ORDER = {element: place for place, element in enumerate(Element)}
_NEUTRAL = {each: NoticeFacts("{company}", each) for each in (None, *Purpose)}


def notice(
    decision: Decision, language: str | None = None, facts: NoticeFacts | None = None
) -> Notice:
    """What has to be said, in the notice language given or else the decision's.

    `facts` are the account's name, purpose and the like; without them the text keeps
    ``{company}``, the decision's purpose and neutral words. Raises InvalidInput for a language
    without notices.
    """
    chosen = language or (decision.language if decision.language in LANGUAGES else "en")
    said = facts or _NEUTRAL[decision.purpose]
    text = _text_of(decision.elements, chosen, said)
    return Notice(decision.elements, decision.inside_recording, chosen, text)


def to_json(
    decision: Decision, notice_language: str | None = None, facts: NoticeFacts | None = None
) -> dict[str, object]:
    """The decision as the public JSON document, fields in their documented order.

    Dates are ISO 8601; `policy_notes` is there only when a wish was not followed.
    """
    parts = _parts(decision, notice(decision, notice_language, facts))
    return {**_head(decision), **{key: _in_full(part) for key, part in parts.items()}}


def to_json_line(
    decision: Decision, notice_language: str | None = None, facts: NoticeFacts | None = None
) -> str:
    """`to_json` written in one line, for many decisions: what they share is written only once.

    Characters outside ASCII stand as they are.
    """
    parts = _parts(decision, notice(decision, notice_language, facts))
    rest = "".join([f', "{key}": {_written(part)}' for key, part in parts.items()])
    return f"{_JSON.encode(_head(decision))[:-1]}{rest}}}"


@dataclass(frozen=True, slots=True)
class _Rules:
    version: str
    fingerprint: str


_Item = str | Requirement | Notice | Duty | Reason | WorkplaceGate | _Rules
_Part = tuple[_Item, ...] | Notice | _Rules
_JSON = json.JSONEncoder(ensure_ascii=False)


def _head(decision: Decision) -> dict[str, object]:
    return {
        "id": decision.id,
        "mode": decision.mode.word,
        "governing": list(decision.governing),
        "primary": list(decision.primary),
        "parties": [
            {
                "role": party.role.value,
                "number": party.number,
                "places": [
                    {
                        "code": place.code,
                        "source": place.source.value,
                        "certainty": place.certainty.value,
                    }
                    for place in party.places
                ],
                "unknown": party.unknown,
            }
            for party in decision.parties
        ],
    }


def _parts(decision: Decision, said: Notice) -> dict[str, _Part]:
    """What many decisions have in common."""
    parts: dict[str, _Part] = {
        "requirements": decision.requirements,
        "notice": said,
        "duties": decision.duties,
        "reasons": decision.reasons,
        "would_change": decision.would_change,
        "rulebook": _Rules(decision.rulebook_version, decision.rulebook_fingerprint),
        "workplace": decision.workplace,
    }
    if decision.policy_notes:
        parts["policy_notes"] = decision.policy_notes
    return parts


def _in_full(part: _Part) -> object:
    return [_item(each) for each in part] if isinstance(part, tuple) else _item(part)


_texts: dict[int, tuple[_Part, str]] = {}
_MOST_TEXTS = 8_192


def _written(part: _Part) -> str:
    """A part as JSON; decisions that are remembered share their parts, and each is written once."""
    if not isinstance(part, tuple):
        return _written_single(part)
    known = _texts.get(id(part))
    # The part is kept beside its text, so nothing else can have its identity meanwhile.
    if known is None or known[0] is not part:
        if len(_texts) >= _MOST_TEXTS:
            _texts.clear()
        known = _texts[id(part)] = (part, _JSON.encode(_in_full(part)))
    return known[1]


@lru_cache(maxsize=1_024)
def _written_single(part: Notice | _Rules) -> str:
    return _JSON.encode(_in_full(part))


def _item(item: _Item) -> object:
    match item:
        case str():
            return item
        case _Rules():
            return {"version": item.version, "fingerprint": item.fingerprint}
        case Notice():
            return {
                "elements": [element.value for element in item.elements],
                "inside_recording": item.inside_recording,
                "language": item.language,
                "text": item.text,
            }
        case Requirement():
            return {
                "party": item.party,
                "form": item.form.word,
                "proof": int(item.proof),
                "uses": _uses(item),
                "elements": _elements(item.elements),
                "because": list(item.because),
            }
        case Duty():
            return {
                "jurisdiction": item.jurisdiction,
                "kind": item.kind,
                "text": item.text,
                "cites": list(item.cites),
            }
        case Reason():
            return {
                "rule": item.rule,
                "jurisdiction": item.jurisdiction,
                "party": item.party,
                "why": item.why,
                "cites": list(item.cites),
                "since": _day(item.since),
                "reviewed": _day(item.reviewed),
                "standing": item.standing.value,
            }
        case WorkplaceGate():
            return {"party": item.party, "jurisdiction": item.jurisdiction, "gate": item.gate}
        case _:
            assert_never(item)


def text(decision: Decision, language: str | None = None) -> str:
    """The decision in lines for a person, English or Norwegian Bokmål; the last is a caution.

    Reasons and duties are worded when a decision is made and stay in its language; the lines
    around them are in `language`, the decision's own where None.
    """
    tongue = language or decision.language
    codes = ", ".join
    lines = [
        say(tongue, f"mode.{decision.mode.word}"),
        say(tongue, "explain.governing", codes=codes(decision.governing)),
    ]
    if decision.primary != decision.governing:
        lines.append(say(tongue, "explain.primary", codes=codes(decision.primary)))
    lines += [_requirement_line(decision, owed, tongue) for owed in decision.requirements]
    if decision.inside_recording:
        lines.append(say(tongue, "explain.inside_recording"))
    lines += [_reason_line(reason, tongue) for reason in decision.reasons]
    lines += [
        say(tongue, "explain.duty", jurisdiction=duty.jurisdiction, text=duty.text)
        for duty in decision.duties
    ]
    lines += [say(tongue, "explain.change", text=each) for each in decision.would_change]
    lines += [say(tongue, "explain.note", text=each) for each in decision.policy_notes]
    lines.append(
        say(
            tongue,
            "explain.rulebook",
            version=decision.rulebook_version,
            fingerprint=decision.rulebook_fingerprint,
            day=decision.on.isoformat(),
        )
    )
    lines.append(say(tongue, "explain.not_advice"))
    return "\n".join(lines)


def _requirement_line(decision: Decision, owed: Requirement, language: str) -> str:
    return say(
        language,
        "explain.requirement",
        party=party_words(owed.party, decision.parties[owed.party].role, language),
        form=say(language, f"form.{owed.form.word}"),
        proof=int(owed.proof),
        uses=", ".join(say(language, f"use.{use}") for use in _uses(owed)),
        elements=", ".join(_elements(owed.elements)),
        because=", ".join(owed.because),
    )


def _reason_line(reason: Reason, language: str) -> str:
    details = list(reason.cites)
    if reason.since is not None:
        details.append(say(language, "explain.since", day=reason.since.isoformat()))
    if reason.reviewed is not None:
        details.append(say(language, "explain.reviewed", day=reason.reviewed.isoformat()))
    details.append(say(language, f"standing.{reason.standing.value}"))
    return say(
        language, "explain.reason", rule=reason.rule, why=reason.why, details="; ".join(details)
    )


@lru_cache(maxsize=512)
def _text_of(elements: tuple[Element, ...], language: str, facts: NoticeFacts) -> str:
    return compose(
        elements,
        language,
        company=facts.company,
        purpose=facts.purpose,
        retention=facts.retention,
        url=facts.url,
        unique_id=facts.unique_id,
        recipients=facts.recipients,
        destination=facts.destination,
        alternative=facts.alternative,
        basis=facts.basis,
    )


def _uses(owed: Requirement) -> list[str]:
    return [use.value for use in USES_OF_A_RECORDING if use in owed.uses]


def _elements(elements: Iterable[Element]) -> list[str]:
    return [element.value for element in sorted(elements, key=_ORDER.__getitem__)]


def _day(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None
