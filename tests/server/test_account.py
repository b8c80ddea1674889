"""The account's settings: on for a new account, all or none, and never on a word nobody owns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from tests.server.rig import AT

from askfirst.errors import InvalidRequest
from askfirst.model import Purpose
from askfirst.server import audit
from askfirst.server.access import UserRole
from askfirst.server.account import Account, account, change, history, last_changes
from askfirst.server.accountkeys import READERS
from askfirst.server.accounts import add_user
from askfirst.server.accounttables import settings
from askfirst.server.store import Store

BASIS = {
    "lawful_basis": "legitimate_interests",
    "lawful_basis_owner": "Kari Berg",
    "purpose": "training",
    "purpose_sentence": "training our staff on real calls",
    "purpose_owner": "Kari Berg",
}


@pytest.fixture
def connection(store: Store) -> Iterator[sa.Connection]:
    with store.engine.begin() as opened:
        yield opened


def test_a_new_account_records_on_no_basis_and_is_not_set_up(connection: sa.Connection) -> None:
    new = account(connection)

    assert new == Account()
    assert (new.recording_enabled, new.lawful_basis, new.is_set_up) == (True, None, False)
    assert new.policy().recording_enabled
    assert new.policy().lawful_basis is None


def test_a_basis_without_its_owner_and_purpose_is_refused(connection: sa.Connection) -> None:
    for missing in set(BASIS) - {"lawful_basis"}:
        stated = {key: value for key, value in BASIS.items() if key != missing}
        with pytest.raises(InvalidRequest) as caught:
            change(connection, stated, None, AT)
        assert caught.value.key == missing
    assert account(connection) == Account()


def test_settings_become_the_policy_and_what_a_notice_says(connection: sa.Connection) -> None:
    stated = {**BASIS, "company": "Nordlys AS", "retention_days": 90}
    wants = change(connection, {**stated, "wishes": {"always_ask": True}}, None, AT)

    assert wants == account(connection)
    assert wants.is_set_up
    policy = wants.policy()
    assert (policy.purpose, policy.always_ask) == (Purpose.TRAINING, True)
    assert wants.notice_facts().purpose == "training our staff on real calls"
    assert wants.notice_facts().retention == 90


def test_one_bad_value_changes_nothing(connection: sa.Connection) -> None:
    with pytest.raises(InvalidRequest) as caught:
        change(connection, {"company": "Nordlys AS", "retention_days": 0}, None, AT)

    assert caught.value.key == "retention_days"
    assert account(connection) == Account()
    assert audit.lines(connection) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("company", ""),
        ("company", "x" * 121),
        ("home_place", "Norway"),
        ("language", "de"),
        ("recording_enabled", "off"),
        ("recording_enabled", 1),
        ("purpose", "spying"),
        ("purpose_sentence", "training"),
        ("retention_days", True),
        ("retention_days", 3_651),
        ("retention_days", "90"),
        ("wishes", {"profile": "unknown"}),
        ("wishes", {"recording_enabled": True}),
        ("wishes", ["always_ask"]),
        ("notice_version", -1),
        ("notice_text", {"en": "Calls are recorded."}),
        ("notice_text", {"en": "Calls are recorded.", "nb": " "}),
        ("notice_text", "Calls are recorded."),
        ("first_country", "forbid"),
        ("texts", {"en": {"purpose": "training"}}),
        ("texts", {"en": {"company": "Somebody else AS"}}),
        ("texts", {"da": {"recipients": "nogen"}}),
        ("texts", {"en": "training our staff on real calls"}),
        ("texts", {"en": {"recipients": "x" * 201}}),
        ("wishes", {"no_third_party_guarantee": True, "external_share_links": True}),
        ("wishes", {"no_third_party_guarantee": True, "external_processors": ["Whisper Inc"]}),
        ("password", "x"),
    ],
)
def test_what_a_setting_cannot_be_is_refused_by_its_name(
    connection: sa.Connection, key: str, value: object
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        change(connection, {key: value}, None, AT)
    assert caught.value.key == key


def test_who_changed_what_is_kept(connection: sa.Connection) -> None:
    kari = add_user(connection, "k@e.org", "Kari", [UserRole.ADMIN], AT)
    change(connection, {"company": "Nordlys AS"}, None, AT)
    change(connection, {"company": "Nordlys AS", "recording_enabled": False}, kari.id, AT)
    change(connection, {"recording_enabled": False}, kari.id, AT)

    changes = last_changes(connection)
    assert (changes["company"].by, changes["recording_enabled"].by) == (None, kari.id)
    lines = audit.lines(connection)
    assert [line.detail["keys"] for line in lines] == [["recording_enabled"], ["company"]]
    assert not account(connection).policy().recording_enabled


def test_every_value_of_a_setting_is_kept_with_who_wanted_it(connection: sa.Connection) -> None:
    kari = add_user(connection, "k@e.org", "Kari", [UserRole.ADMIN], AT)
    change(connection, {"retention_days": 90}, None, AT)
    change(connection, {"retention_days": 30, "company": "Nordlys AS"}, kari.id, AT)
    change(connection, {"retention_days": 30}, None, AT)

    past = history(connection, ["retention_days"])
    assert [(each.value, each.by) for each in past] == [(90, None), (30, kari.id)]


def test_other_settings_can_be_changed_while_a_promise_is_broken(
    connection: sa.Connection,
) -> None:
    broken = {"no_third_party_guarantee": True, "external_share_links": True}
    change(connection, {"company": "Nordlys AS"}, None, AT)
    row = {"key": "wishes", "value": broken, "changed_at": AT}
    connection.execute(settings.insert().values(**row))

    assert not change(connection, {"recording_enabled": False}, None, AT).recording_enabled
    with pytest.raises(InvalidRequest):
        change(connection, {"wishes": {**broken, "always_ask": True}}, None, AT)


def test_a_sentence_is_said_in_the_language_that_it_was_written_in(
    connection: sa.Connection,
) -> None:
    own = {"purpose": "die Schulung unserer Leute", "recipients": "Sprachdienst GmbH"}
    wants = change(connection, {**BASIS, "company": "Nordlys AS"}, None, AT)
    wants = change(connection, {"texts": {"de": own, "fr": {"purpose": ""}}}, None, AT)

    assert wants.texts == {"de": own}
    assert wants.notice_facts("en").purpose == BASIS["purpose_sentence"]
    assert wants.notice_facts("fr").purpose is Purpose.TRAINING
    facts = wants.notice_facts("de")
    assert (facts.purpose, facts.recipients) == (own["purpose"], own["recipients"])


def test_pages_of_the_audit_log_neither_skip_nor_repeat(connection: sa.Connection) -> None:
    for number in range(7):
        audit.note(connection, AT, None, "tried", f"thing-{number}")
    seen: list[str | None] = []
    before = None
    while page := audit.lines(connection, before=before, most=3):
        seen += [line.object for line in page]
        before = page[-1].position

    assert seen == [f"thing-{number}" for number in reversed(range(7))]


values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
)


@given(st.sampled_from(sorted(READERS)), values)
def test_no_value_makes_a_setting_raise_anything_else(key: str, value: object) -> None:
    try:
        READERS[key](key, value)
    except InvalidRequest as error:
        assert error.key == key  # noqa: PT017 - most values are refused, some are not
