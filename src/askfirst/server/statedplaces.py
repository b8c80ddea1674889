"""Places that a contact named in a recording, where the law of that place would have asked more.

The stored decision is worked out again with the rules of today and of the day of the call, once
as it was and once with the place added; only the difference counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from askfirst.decide import decide_anew
from askfirst.errors import InvalidInput
from askfirst.model import Certainty, Decision, LocatedParty, Place, Role, Source
from askfirst.policy import Policy
from askfirst.rules import Rulebook
from askfirst.server import transcripts
from askfirst.server.database import calls, reading, recordings
from askfirst.server.queue import Finding, Reason
from askfirst.server.store import Store
from askfirst.spokenplaces import places_named

_AROUND_MS = 8_000
_CONTACT = 1


def stricter_places(store: Store, rules: Rulebook, recording: str) -> list[Finding]:
    """At most one finding: the first place named whose law would have asked more."""
    said = transcripts.machine(store, recording)  # what was corrected proves nothing
    if said is None:
        return []
    with reading(store.engine) as connection:
        row = connection.execute(
            sa.select(calls).join(recordings).where(recordings.c.id == recording)
        ).one()
    if not row.decision:
        return []
    for named in places_named(said, "contact", rules):
        if is_stricter(row, named.code, rules):
            from_ms, to_ms = max(0, named.from_ms - _AROUND_MS), named.to_ms + _AROUND_MS
            return [
                Finding(Reason.PLACE_NAMED, row.id, recording, _CONTACT, named.code, from_ms, to_ms)
            ]
    return []


def is_stricter(call: Any, code: str, rules: Rulebook) -> bool:
    """Whether the law asks more of a call (its row) with the contact in this place besides.

    True where that cannot be worked out: somebody looks at it then.
    """
    people = [_party(each) for each in call.decision["parties"]]
    if any(place.code == code for person in people[1:] for place in person.places):
        return False
    on = call.created_at.date()
    try:
        policy = Policy.parse(call.policy)
    except InvalidInput:
        return True
    added = Place(code, Source.STATED, Certainty.POSSIBLE)
    moved = [
        replace(each, places=(*each.places, added)) if number == _CONTACT else each
        for number, each in enumerate(people)
    ]
    before = decide_anew(people, on, rules, policy, None, "phone", "en")
    after = decide_anew(moved, on, rules, policy, None, "phone", "en")
    return _asks_more(before, after)


def _asks_more(before: Decision, after: Decision) -> bool:
    if after.mode > before.mode:
        return True
    owed = {each.party: each for each in before.requirements}
    for each in after.requirements:
        known = owed.get(each.party)
        if known is None or each.form > known.form or each.proof > known.proof:
            return True
        if not (each.uses <= known.uses and set(each.elements) <= set(known.elements)):
            return True
    return False


def _party(stored: Mapping[str, Any]) -> LocatedParty:
    places = tuple(
        Place(each["code"], Source(each["source"]), Certainty(each["certainty"]))
        for each in stored["places"]
    )
    return LocatedParty(Role(stored["role"]), None, places, stored["unknown"])
