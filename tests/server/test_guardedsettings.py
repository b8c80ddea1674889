"""Settings with a second person: what tightens is done, what loosens waits for somebody else."""

from __future__ import annotations

from typing import Any

import pytest
from tests.server import rig
from tests.server.people import KARI, OLA, employ

from askfirst.errors import InvalidRequest, Refused
from askfirst.server import approvals, guardedsettings
from askfirst.server.access import Permission, Person, UserRole
from askfirst.server.account import Account, account
from askfirst.server.account import change as change_account
from askfirst.server.approvalkinds import KINDS
from askfirst.server.database import reading, transaction
from askfirst.server.guardedsettings import Changed
from askfirst.server.store import Store


@pytest.fixture
def guarded(store: Store) -> Store:
    employ(store)
    with transaction(store.engine) as connection:
        change_account(connection, {"second_person": ["settings"]}, KARI, rig.AT)
    return store


def admin(identity: str, scopes: frozenset[Permission] | None = None) -> Person:
    return Person(identity, frozenset({UserRole.ADMIN}), None, scopes)


def change(store: Store, **wanted: Any) -> Changed:
    with transaction(store.engine) as connection:
        return guardedsettings.change(store, connection, wanted, KARI, rig.AT)


def present(store: Store) -> Account:
    with reading(store.engine) as connection:
        return account(connection)


@pytest.mark.parametrize(
    "wanted",
    [
        {"recording_enabled": False},
        {"wishes": {"always_ask": True}},
        {"wishes": {"forbid_jurisdictions": ["FR"]}},
        {"wishes": {"minimum_proof": 4}},
        {"first_country": "review"},
        {"asks_reason": True},
        {"second_factor": "everybody"},
        {"second_person": ["queue-erase", "settings"]},
        {"wishes": {"special_category_expected": True}},
        {"wishes": {"automatic_notice": False}},
        {"notice_version": 0},
        {"lawful_basis": None},
        {"company": "Harbor Supply", "beeps": True},
    ],
)
def test_what_tightens_or_changes_no_rule_is_done_at_once(
    guarded: Store, wanted: dict[str, Any]
) -> None:
    changed = change(guarded, **wanted)

    assert changed.proposal is None
    for key, value in wanted.items():
        assert getattr(present(guarded), key) == value


@pytest.mark.parametrize(
    "wanted",
    [
        {"second_person": []},
        {"wishes": {"no_third_party_guarantee": True}},
        {"wishes": {"profile": "hubspot-2023"}},
        {"unverified_days": None},
        {"hears_answers": True},
        {"home_place": "US-TX"},
        {"backup_days": 90},
        {"retention_days": 3_650},
        {"wishes": {"external_processors": ["writer.example"]}},
        {"wishes": {"external_share_links": True}},
        {"wishes": {"works_agreement_on_file": True}},
    ],
)
def test_what_loosens_waits_and_changes_nothing(guarded: Store, wanted: dict[str, Any]) -> None:
    before = present(guarded)

    changed = change(guarded, **wanted)

    assert changed.proposal is not None
    assert changed.account == before
    assert present(guarded) == before


@pytest.mark.parametrize(
    ("key", "before", "after"),
    [
        ("asks_reason", True, False),
        ("second_factor", "everybody", "officers"),
        ("retention_days", 30, 31),
        ("retention_days", 30, None),
        ("retention", {"places": {"FR": 30}}, {"places": {"FR": 31}}),
        ("retention", {"places": {"FR": 30}}, {}),
        ("retention", {}, {"places": {"FR": 30}}),
        ("backup_days", 14, 15),
        ("home_place", "DE", "US-TX"),
        ("home_place", "DE", None),
        ("wishes.external_processors", [], ["writer.example"]),
        ("wishes.profile", "askfirst", "hubspot-2023"),
        ("wishes.minimum_proof", 4, 3),
    ],
)
def test_to_ask_less_of_whoever_opens_or_signs_in_loosens(
    key: str, before: object, after: object
) -> None:
    assert not guardedsettings.tightens(key, before, after)


@pytest.mark.parametrize(
    ("key", "before", "after"),
    [
        ("retention_days", 30, 29),
        ("retention", {"places": {"FR": 30}}, {"places": {"FR": 7}}),
        ("backup_days", 14, 7),
        ("lawful_basis", "consent", None),
        ("notice_version", 3, 0),
        ("wishes.no_third_party_guarantee", True, False),
        ("wishes.external_processors", ["writer.example"], []),
    ],
)
def test_to_keep_less_and_to_promise_less_to_oneself_tightens(
    key: str, before: object, after: object
) -> None:
    assert guardedsettings.tightens(key, before, after)


@pytest.mark.parametrize("kind", ["queue-erase", "queue-keep", "hold-release", "overrides"])
def test_the_rule_itself_is_taken_back_by_two_people_whatever_it_covers(
    store: Store, kind: str
) -> None:
    employ(store)
    assert change(store, second_person=[kind]).proposal is None

    taken = change(store, second_person=[], unverified_days=None)
    assert taken.proposal is not None
    assert present(store).second_person == [kind]
    # What it does not cover is done as ever.
    assert present(store).unverified_days is None
    assert change(store, second_person=[kind, "settings"]).proposal is None

    with pytest.raises(Refused, match="your own"):
        approvals.approve(store, KINDS, taken.proposal, admin(KARI), rig.AT)


def test_one_change_is_taken_apart(guarded: Store) -> None:
    changed = change(
        guarded, wishes={"always_ask": True, "external_share_links": True}, company="Harbor"
    )

    assert changed.account.wishes == {"always_ask": True}
    assert changed.account.company == "Harbor"
    with reading(guarded.engine) as connection:
        (found,) = approvals.open_proposals(connection)
    assert found.differences() == [("wishes.external_share_links", False, True)]


def test_to_take_a_policy_out_of_the_list_is_a_change_of_it(guarded: Store) -> None:
    change(guarded, wishes={"always_ask": True})

    assert change(guarded, wishes={}).proposal is not None
    assert present(guarded).wishes == {"always_ask": True}


def test_somebody_else_approves_and_it_is_done(guarded: Store) -> None:
    proposal = change(guarded, wishes={"external_share_links": True}).proposal or ""

    for own in (admin(KARI), admin(KARI, frozenset(Permission))):
        with pytest.raises(Refused, match="your own"):
            approvals.approve(guarded, KINDS, proposal, own, rig.AT)
    with pytest.raises(Refused):
        approvals.approve(
            guarded, KINDS, proposal, Person(OLA, frozenset({UserRole.AUDITOR}), None), rig.AT
        )
    approvals.approve(guarded, KINDS, proposal, admin(OLA), rig.AT)

    assert present(guarded).wishes == {"external_share_links": True}
    assert rig.kinds(guarded)[-2:] == ["approval.asked", "approval.given"]


def test_a_proposal_about_what_was_changed_since_is_not_carried_out(guarded: Store) -> None:
    proposal = change(guarded, retention_days=90).proposal or ""
    with transaction(guarded.engine) as connection:
        change_account(connection, {"retention_days": 30}, OLA, rig.AT)

    with pytest.raises(Refused, match="retention_days"):
        approvals.approve(guarded, KINDS, proposal, admin(OLA), rig.AT)

    assert present(guarded).retention_days == 30


def test_what_is_wrong_is_said_before_anything_is_done(guarded: Store) -> None:
    with pytest.raises(InvalidRequest) as caught:
        change(guarded, company="Harbor", retention_days=-4)

    assert caught.value.key == "retention_days"
    assert present(guarded).company == ""


def test_without_the_rule_everything_is_done_at_once(store: Store) -> None:
    employ(store)

    assert change(store, retention_days=90).proposal is None
    assert present(store).retention_days == 90
