"""Any change of settings under the second-person rule, judged by what the law makes of it.

The judge is the decision itself: no call may be decided more loosely before somebody else agreed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.server import rig
from tests.server.people import KARI, OLA, employ

from askfirst.decide import decide
from askfirst.errors import InvalidRequest
from askfirst.model import Decision, Mode, Party, Place, Role
from askfirst.server import approvals, guardedsettings
from askfirst.server.access import Person, UserRole
from askfirst.server.account import Account, account, change
from askfirst.server.database import transaction
from askfirst.server.guardedsettings import KIND, RECORDING
from askfirst.server.store import Store

PAIRS = (
    ("US-TX", "GB"),
    ("GB", "GB"),
    ("US-TX", "US-CA"),
    ("NO", "DE"),
    ("SE", "SE"),
    ("NZ", "NZ"),
)
FLAGS = (
    "always_ask", "automatic_notice", "special_category_expected", "no_third_party_guarantee",
    "external_share_links", "require_works_agreement", "works_agreement_on_file",
)  # fmt: skip
WISHES = st.fixed_dictionaries(
    {},
    optional={
        **{key: st.booleans() for key in FLAGS},
        "unknown_location": st.sampled_from(["ask", "forbid"]),
        "external_processors": st.lists(st.sampled_from(["one.example", "two.example"])),
        "forbid_jurisdictions": st.lists(st.sampled_from(["GB", "EEA", "US-CA"])),
        "minimum_proof": st.sampled_from([None, 3, 4, 6]),
        "mandatory_recording": st.sampled_from([None, "mifid2", "fca"]),
        "profile": st.sampled_from(["askfirst", "hubspot-2023"]),
        "sector": st.sampled_from([None, "finance"]),
    },
)
BASED = {
    "lawful_basis": "legitimate_interests",
    "lawful_basis_owner": "Kari",
    "purpose": "training",
    "purpose_sentence": "So that new colleagues can learn.",
    "purpose_owner": "Kari",
}
WANTED = st.builds(
    lambda wishes, recording, based, rest: {
        "wishes": wishes, RECORDING: recording, **(BASED if based else {}), **rest,
    },
    WISHES,
    st.booleans(),
    st.booleans(),
    st.fixed_dictionaries(
        {},
        optional={
            "announces": st.booleans(),
            "retention_days": st.sampled_from([None, 7, 30, 365]),
            "retention": st.sampled_from([{}, {"places": {"FR": 30}}, {"places": {"FR": 90}}]),
            "unverified_days": st.sampled_from([None, 7, 14]),
            "home_place": st.sampled_from([None, "DE", "US-TX"]),
            "second_person": st.sampled_from([[], [KIND], ["overrides"], [KIND, "overrides"]]),
        },
    ),
)  # fmt: skip
MANY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def staffed(store: Store) -> Store:
    employ(store)
    return store


@contextmanager
def undone(store: Store) -> Iterator[sa.Connection]:
    """A transaction of which nothing stays."""
    with transaction(store.engine) as connection:
        tried = connection.begin_nested()
        yield connection
        tried.rollback()


def decisions(wants: Account) -> list[Decision]:
    policy, home = wants.policy(), wants.home_place
    places = [*PAIRS, *([(home, "DE"), (home, "US-TX")] if home else [])]
    return [
        decide(
            (Party(Role.AGENT, None, (Place(ours),)), Party(Role.CONTACT, None, (Place(theirs),))),
            rig.AT.date(),
            None,
            policy,
        )
        for ours, theirs in places
    ]


def is_as_strict(after: Decision, before: Decision) -> bool:
    if after.mode is Mode.FORBID:
        return True
    return after.mode >= before.mode and all(
        any(
            each.party == owed.party and each.form >= owed.form and each.proof >= owed.proof
            for each in after.requirements
        )
        for owed in before.requirements
    )


@MANY
@given(first=WANTED, wanted=WANTED)
def test_nothing_is_looser_before_a_second_person_agreed(
    staffed: Store, first: dict[str, Any], wanted: dict[str, Any]
) -> None:
    first = {**first, "home_place": None, "second_person": [KIND]}
    with undone(staffed) as connection:
        try:
            before = change(connection, first, KARI, rig.AT)
            done = guardedsettings.change(staffed, connection, wanted, KARI, rig.AT)
        except InvalidRequest:
            return  # what cannot be is refused as a whole
        assert done.account == account(connection)
        assert KIND in done.account.second_person
        for now, was in zip(decisions(done.account), decisions(before), strict=False):
            assert is_as_strict(now, was)


@MANY
@given(first=WANTED, wanted=WANTED)
def test_what_tightens_is_in_force_at_once_and_all_of_it_after_the_approval(
    staffed: Store, first: dict[str, Any], wanted: dict[str, Any]
) -> None:
    with undone(staffed) as connection:
        try:
            change(connection, {**first, "second_person": [KIND]}, KARI, rig.AT)
            with connection.begin_nested() as tried:
                whole = change(connection, wanted, KARI, rig.AT)
                tried.rollback()
            done = guardedsettings.change(staffed, connection, wanted, KARI, rig.AT)
        except InvalidRequest:
            return
        if done.proposal is None:
            assert done.account.policy() == whole.policy()
            return
        found = approvals.proposal(connection, done.proposal)
        assert found.differences()
        for key, was, value in found.differences():
            assert not guardedsettings.tightens(key, was, value)
        admin = Person(OLA, frozenset({UserRole.ADMIN}), None)
        guardedsettings.settings_effect(staffed, found, admin, rig.AT).write(connection)
        after = account(connection)
        assert after.policy() == whole.policy()
        assert after.second_person == whole.second_person
