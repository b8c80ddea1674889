"""The strictest rule over all parties (agent too), all plausible places of each, and the place of
the recorder wins. Unknown means ask. A new party or place: decide again at once.
"""

from __future__ import annotations

from datetime import date

import pytest
from tests.promises.conftest import Called

from askfirst import Party, decide
from askfirst.model import Mode

ON = date(2026, 11, 24)


def test_one_strict_party_makes_the_whole_call_strict() -> None:
    lax = decide([Party.agent("US-TX"), Party.contact("US-TX")], ON)
    strict = [
        decide([Party.agent("US-TX"), Party.contact("DE")], ON),
        decide([Party.agent("DE"), Party.contact("US-TX")], ON),
        decide([Party.agent("US-TX"), Party.contact("US-TX"), Party.contact("DE")], ON),
        decide([Party.agent("US-TX"), Party.contact("US-TX", "DE")], ON),
        decide([Party.agent("US-TX"), Party.contact("US-TX")], ON, recorder="DE"),
    ]

    assert lax.mode is Mode.AUTO
    assert {found.mode for found in strict} == {Mode.ASK}


def test_nobody_knows_where_means_ask() -> None:
    found = decide([Party.agent("US-TX"), Party.contact()], ON)

    assert (found.mode, found.governing) == (Mode.ASK, ("UNKNOWN",))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "cause"), [("moves", "place.learned"), ("late-joiner", "party.joined")]
)
def test_a_new_place_or_party_shuts_the_gate_and_is_decided_at_once(
    called: Called, name: str, cause: str
) -> None:
    entries = called.entries(name)
    opened = next(i for i, entry in enumerate(entries) if entry["kind"] == "recording.opened")
    changed = next(i for i in range(opened, len(entries)) if entries[i]["kind"] == cause)
    later = entries[changed:]
    decided = next(entry for entry in later if entry["kind"] == "decision.made")
    at_ms = entries[changed]["data"]["at_ms"]

    assert decided["data"]["at_ms"] == at_ms
    assert decided["data"]["owed"]
    states = [state for moment, state in called.states(name) if moment >= at_ms]
    assert states[0] != "open"
