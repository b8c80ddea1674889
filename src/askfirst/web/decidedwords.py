"""Why a call was decided as it was, in the reader's language.

What is stored with a call is what was decided and shown then, in English. It is shown in another
language only where the same rule says exactly the stored words today: then its own text in that
language is the translation. Otherwise the stored words stand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from askfirst import wording
from askfirst.decide import decide_anew
from askfirst.model import (
    POLICY,
    Certainty,
    LocatedParty,
    Place,
    Reason,
    Role,
    Source,
)
from askfirst.policy import Policy
from askfirst.rules import Rulebook

_STORED = "en"
_KEYS = wording.keys()
_Key = tuple[str, str, int | None]


def reasons_in(
    language: str, decision: Mapping[str, Any], on: date, rules: Rulebook, policy: Policy
) -> list[dict[str, Any]]:
    """The reasons of a stored decision of a day, worded in the language where that is certain.

    `policy` is what the account wants today: it may be what a rule's words depend on.
    """
    stored = [dict(each) for each in decision["reasons"]]
    if language == _STORED or language not in wording.LANGUAGES:
        return stored
    known = _today(language, decision, on, rules, policy)
    for each in stored:
        key = (each["rule"], each["jurisdiction"], each["party"])
        each["why"] = _of_wish(language, each["rule"], each["why"]) or known.get(
            (key, each["why"]), each["why"]
        )
    return stored


def _today(
    language: str, decision: Mapping[str, Any], on: date, rules: Rulebook, policy: Policy
) -> dict[tuple[_Key, str], str]:
    """What the rules say of the call today, by reason and its English words."""
    people = [_party(each) for each in decision["parties"]]
    found: dict[tuple[_Key, str], str] = {}
    # A wish that has changed since may hide the words of a rule that has not.
    for wishes in (Policy(), replace(policy, contact_objected=False)):
        english, other = (
            _by_key(decide_anew(people, on, rules, wishes, None, "phone", each).reasons)
            for each in (_STORED, language)
        )
        found |= {(key, why): other[key] for key, why in english.items() if key in other}
    return found


def _by_key(reasons: Sequence[Reason]) -> dict[_Key, str]:
    """Words of reasons by what they are of; none where two are of the same."""
    keys = [(each.rule, each.jurisdiction, each.party) for each in reasons]
    counts = Counter(keys)
    return {key: each.why for key, each in zip(keys, reasons, strict=True) if counts[key] == 1}


def _of_wish(language: str, rule: str, why: str) -> str | None:
    """A wish of the account in the language, where nothing is filled into its words."""
    key = f"policy.{rule.removeprefix(f'{POLICY}.')}"
    if not rule.startswith(f"{POLICY}.") or key not in _KEYS or wording.say(_STORED, key) != why:
        return None
    return wording.say(language, key)


def _party(stored: Mapping[str, Any]) -> LocatedParty:
    places: Iterable[Mapping[str, str]] = stored["places"]
    return LocatedParty(
        Role(stored["role"]),
        None,
        tuple(
            Place(each["code"], Source(each["source"]), Certainty(each["certainty"]))
            for each in places
        ),
        stored["unknown"],
    )
