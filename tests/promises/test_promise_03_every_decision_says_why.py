"""Every decision says why: rule, statute, source, review date, rulebook fingerprint; and can be
replayed later with the rules of its day.
"""

from __future__ import annotations

import json

import pytest
from tests.promises.conftest import Called

from askfirst import decide
from askfirst.explain import to_json
from askfirst.model import Party, Place
from askfirst.rules import packaged
from askfirst.server.simulation import request_for

pytestmark = pytest.mark.slow


def test_the_decision_of_every_call_names_its_rules_and_their_sources(called: Called) -> None:
    for name in called.calls:
        kept = called.row(name).decision
        assert kept["reasons"], name
        for reason in kept["reasons"]:
            assert reason["rule"]
            assert reason["why"]
        rules = [item for item in kept["reasons"] if item["jurisdiction"] != "UNKNOWN"]
        assert all(item["cites"] and item["reviewed"] and item["standing"] for item in rules), name
        assert kept["rulebook"]["fingerprint"].startswith("sha256:")


def test_the_ledger_holds_which_rules_of_which_book_decided(called: Called) -> None:
    for name in called.calls:
        made = [entry for entry in called.entries(name) if entry["kind"] == "decision.made"]
        assert made, name
        last, kept = made[-1]["data"], called.row(name).decision
        assert last["rulebook"] == kept["rulebook"]["fingerprint"] == packaged().fingerprint
        assert last["rules"] == sorted({item["rule"] for item in kept["reasons"]})
        assert last["mode"] == kept["mode"]


@pytest.mark.parametrize("name", ["agrees", "presses-one", "refuses", "told", "notice-inside"])
def test_a_decision_is_replayed_the_same(called: Called, name: str) -> None:
    row = called.row(name)
    request = request_for(called.personas[name])
    people = [
        Party.agent(*map(Place, request.agent_places)),
        Party.contact(request.number, *map(Place, request.contact_places)),
    ]

    again = decide(
        people, row.answered_at.date(), policy=request.policy, language=row.language, id=row.id
    )

    assert json.loads(json.dumps(to_json(again))) == row.decision
