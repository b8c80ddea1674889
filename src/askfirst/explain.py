"""A decision in words and as JSON: the same content, for people and for programs.

Nothing is decided here and nothing is added: every line comes from the decision. The notice is
the only text that is composed, from the elements that the decision asks for.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import lru_cache

from askfirst.model import USES_OF_A_RECORDING, Decision, Element, Notice, Reason, Requirement
from askfirst.notice import LANGUAGES, NoticeFacts, compose
from askfirst.scene import party_words
from askfirst.wording import say

_ORDER = {element: place for place, element in enumerate(Element)}
_NEUTRAL = NoticeFacts(company="{company}")


def notice(
    decision: Decision, language: str | None = None, facts: NoticeFacts | None = None
) -> Notice:
    """What has to be said, in the notice language given or else the decision's.

    `facts` are the account's name, purpose and the like; without them the text keeps
    ``{company}`` and neutral words. Raises InvalidInput for a language without notices.
    """
    chosen = language or (decision.language if decision.language in LANGUAGES else "en")
    text = _text_of(decision.elements, chosen, facts or _NEUTRAL)
    return Notice(decision.elements, decision.inside_recording, chosen, text)


def to_json(
    decision: Decision, notice_language: str | None = None, facts: NoticeFacts | None = None
) -> dict[str, object]:
    """The decision as the public JSON document, fields in their documented order.

    Dates are ISO 8601; `policy_notes` is there only when a wish was not followed.
    """
    said = notice(decision, notice_language, facts)
    document: dict[str, object] = {
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
        "requirements": [
            {
                "party": owed.party,
                "form": owed.form.word,
                "proof": int(owed.proof),
                "uses": _uses(owed),
                "elements": _elements(owed.elements),
                "because": list(owed.because),
            }
            for owed in decision.requirements
        ],
        "notice": {
            "elements": [element.value for element in said.elements],
            "inside_recording": said.inside_recording,
            "language": said.language,
            "text": said.text,
        },
        "duties": [
            {"jurisdiction": duty.jurisdiction, "kind": duty.kind, "text": duty.text}
            for duty in decision.duties
        ],
        "reasons": [
            {
                "rule": reason.rule,
                "jurisdiction": reason.jurisdiction,
                "party": reason.party,
                "why": reason.why,
                "cites": list(reason.cites),
                "since": _day(reason.since),
                "reviewed": _day(reason.reviewed),
                "standing": reason.standing.value,
            }
            for reason in decision.reasons
        ],
        "would_change": list(decision.would_change),
        "rulebook": {
            "version": decision.rulebook_version,
            "fingerprint": decision.rulebook_fingerprint,
        },
    }
    if decision.policy_notes:
        document["policy_notes"] = list(decision.policy_notes)
    return document


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
