"""Which law a call is decided by: the rules, overrides and workplace of its installation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.server import rig
from tests.server.rig import AGENT, BYE, CALIFORNIA, HELLO, KEYED, pause

from askfirst.errors import InvalidInput, InvalidRules, Unverified
from askfirst.override import digest
from askfirst.rules import packaged, template
from askfirst.server.node import Node, rules_of
from askfirst.server.overrides import FOLDER, SIGNERS, new_key, of_installation, sign_file
from askfirst.server.simulation import request_for
from askfirst.server.store import Store
from askfirst.speech.scripted import Scripted

GERMANY = "DE"
OVERRIDE = """name = "california-desk"
who = "Kari Nordmann"
why = "Counsel's letter of 2 October 2026."
since = 2026-11-01
until = 2099-01-01

[[replace]]
rule = "US-CA.632"
mode = "auto"
"""


def overridden(folder: Path) -> Path:
    """Put a signed override and its signer into an installation's folder; gives the file."""
    (folder / FOLDER).mkdir(parents=True)
    key = folder.parent / "kari.pem"
    (folder / SIGNERS).write_text(f'[signers]\n"Kari Nordmann" = "{new_key(key)}"\n')
    path = folder / FOLDER / "desk.toml"
    path.write_text(OVERRIDE, encoding="utf-8")
    sign_file(path, key)
    return path


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda text: text.replace("2 October", "3 October"), Unverified),
        (lambda text: OVERRIDE, Unverified),
        (lambda text: text.replace("Kari", "Ola"), Unverified),
        (lambda text: text.replace("mode = ", "mood = "), InvalidRules),
    ],
)
def test_no_installation_starts_with_an_override_that_does_not_hold(
    tmp_path: Path, spoil: object, error: type[Exception]
) -> None:
    path = overridden(tmp_path / "data")
    assert callable(spoil)
    path.write_text(spoil(path.read_text(encoding="utf-8")), encoding="utf-8")

    with pytest.raises(error):
        Node.open(tmp_path / "data", Scripted())
    # Nothing holds the folder after the refusal.
    path.unlink()
    Node.open(tmp_path / "data", Scripted()).close()


def test_overrides_without_a_list_of_signers_are_refused(tmp_path: Path) -> None:
    overridden(tmp_path / "data")
    (tmp_path / "data" / SIGNERS).unlink()

    with pytest.raises(InvalidInput, match=SIGNERS):
        of_installation(tmp_path / "data", packaged())


def test_an_override_is_in_the_ledger_of_each_call_decided_under_it(
    store: Store, tmp_path: Path
) -> None:
    overridden(store.folder)
    (override,) = of_installation(store.folder, packaged())
    persona = rig.callee(
        tmp_path / "callee", HELLO, AGENT, pause(500), HELLO, BYE, number=CALIFORNIA
    )
    plain = rig.virtually(store, persona)
    call = rig.virtually(
        store, persona, request=replace(request_for(persona), overrides=(override,))
    )

    entries = [entry for _, entry in store.ledger.entries(call.id)]
    (used,) = [entry for entry in entries if entry["kind"] == "override.used"]
    assert used["data"] == {"override": "california-desk", "content": digest(override)}
    assert "Kari" not in json.dumps(entries)
    assert rig.openings(store, call.id) != []
    assert rig.openings(store, plain.id) == []
    assert "override.used" not in rig.kinds(store, plain.id)


def test_an_override_is_the_same_by_its_content_and_not_by_its_file(tmp_path: Path) -> None:
    path = overridden(tmp_path / "data")
    (first,) = of_installation(tmp_path / "data", packaged())
    path.write_text("# a comment\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    (again,) = of_installation(tmp_path / "data", packaged())

    assert digest(first) == digest(again)
    assert digest(replace(first, why="another reason")) != digest(first)


def test_rules_of_the_installation_decide_its_calls(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "rules").mkdir(parents=True)
    (folder / "rules" / "AQ.toml").write_text(template("AQ"), encoding="utf-8")
    rules = rules_of(folder)
    store = Store.open(folder)
    try:
        persona = rig.callee(tmp_path / "callee", HELLO, BYE)
        request = replace(request_for(persona), agent_places=("AQ",), rules=rules)
        call = rig.virtually(store, persona, request=request)
        decision = rig.call_row(store, call.id).decision
    finally:
        store.close()

    assert decision["rulebook"]["fingerprint"] == rules.fingerprint != packaged().fingerprint
    assert "AQ.short-name" in {reason["rule"] for reason in decision["reasons"]}


@pytest.mark.parametrize("agent", [GERMANY, "US-TX"])
def test_an_unsettled_works_agreement_blocks_where_the_rule_of_the_site_wants_one(
    store: Store, tmp_path: Path, agent: str
) -> None:
    persona = rig.callee(tmp_path / "callee", *KEYED, HELLO, BYE)
    request = replace(request_for(persona, agent), settled=frozenset())

    call = rig.virtually(store, persona, request=request)

    blocked = agent == GERMANY
    assert (rig.call_row(store, call.id).outcome == "blocked") is blocked
    assert (rig.openings(store, call.id) == []) is blocked
