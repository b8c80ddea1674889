"""Credentials at Twilio: sealed, never shown, wiped when nothing names them, and guarded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from tests.server import twiliorig

from askfirst.errors import InvalidRequest, KeyUnreadable
from askfirst.server import account, accounts, approvals, guardedsettings, twilioaccount
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import ledger_entries, reading, transaction
from askfirst.server.store import Store
from askfirst.server.twilioaccount import TwilioAccount
from askfirst.server.twiliotables import twilio_accounts


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "data")
    yield opened
    opened.close()


def in_force(store: Store) -> TwilioAccount | None:
    with reading(store.engine) as connection:
        return twilioaccount.in_force(connection, store.keys)


def sealed(store: Store) -> dict[str, bool]:
    """Which credentials still have their secrets."""
    with reading(store.engine) as connection:
        rows = connection.execute(sa.select(twilio_accounts.c.id, twilio_accounts.c.sealed))
        return {row.id: row.sealed is not None for row in rows}


def administrator(store: Store, name: str) -> accounts.User:
    """Somebody who may change settings."""
    with transaction(store.engine) as connection:
        return accounts.add_user(
            connection, f"{name}@example.org", name, [UserRole.ADMIN], utc_now()
        )


# What is refused


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account_sid", ""),
        ("account_sid", "AC1"),
        ("account_sid", "SK" + "a" * 32),
        ("auth_token", ""),
        ("auth_token", "short"),
        ("auth_token", "with a space in the middle"),
        ("api_key", "AC" + "a" * 32),
        ("signing_key", "a name with spaces"),
        ("signing_secret", ""),
        ("region", "mars1"),
        ("sender", "12345"),
    ],
)
def test_what_cannot_be_used_is_named_and_never_repeated(field: str, value: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        twilioaccount.read({**twiliorig.GIVEN, field: value})
    assert caught.value.key == field
    assert not value or value not in str(caught.value)


def test_a_secret_and_the_name_of_its_key_go_together() -> None:
    for name in ("api", "signing"):
        given = {**twiliorig.GIVEN, "signing_key": "", "signing_secret": ""}
        with pytest.raises(InvalidRequest, match="give both"):
            twilioaccount.read({**given, f"{name}_secret": "x" * 32})


@given(st.dictionaries(st.sampled_from(sorted(twiliorig.GIVEN)), st.text(max_size=40)))
def test_any_text_is_read_or_refused_with_an_error_of_ours(given_: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        twilioaccount.read(given_ | {"region": "nowhere"})


def test_with_another_key_store_nothing_is_opened(store: Store) -> None:
    made = twiliorig.set_up(store)
    store.keys.destroy_salt("twilio-account")
    with pytest.raises(KeyUnreadable, match="type them in again"):
        in_force(store)
    assert twiliorig.TOKEN not in repr(made)


def test_a_row_s_secrets_do_not_open_in_another_row(store: Store) -> None:
    first, second = twiliorig.set_up(store), twilioaccount.read(twiliorig.GIVEN)
    with transaction(store.engine) as connection:
        kept = connection.execute(sa.select(twilio_accounts)).one()
        connection.execute(twilio_accounts.insert().values(**(kept._asdict() | {"id": second.id})))
        account.change(connection, {"twilio": second.id}, None, utc_now())
    assert first.id != second.id
    with pytest.raises(KeyUnreadable):
        in_force(store)


# What holds


def test_what_is_kept_is_given_again_and_stands_nowhere_in_the_file(
    store: Store, tmp_path: Path
) -> None:
    assert in_force(store) is None
    made = twiliorig.set_up(
        store, api_key="SK" + "b" * 32, api_secret="c" * 32, sender="+4721000000"
    )
    found = in_force(store)
    assert found == made
    assert found is not None
    assert found.login == ("SK" + "b" * 32, "c" * 32)
    assert found.signing.token == twiliorig.TOKEN
    assert found.signing.keys == {"SKhooks": twiliorig.SIGNING}
    for file in (tmp_path / "data").rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert twiliorig.TOKEN.encode() not in content, file
            assert b"c" * 32 not in content, file
    for secret in (twiliorig.TOKEN, twiliorig.SIGNING, "c" * 32):
        assert secret not in repr(found) + repr(found.signing)


def test_secrets_of_what_is_in_force_no_more_are_wiped(store: Store) -> None:
    first = twiliorig.set_up(store)
    second = twiliorig.set_up(store)
    with transaction(store.engine) as connection:
        twilioaccount.wipe(connection, utc_now())
    assert sealed(store) == {first.id: False, second.id: True}
    assert in_force(store) == second


def test_a_change_waits_for_a_second_person_and_the_ledger_has_ids_only(store: Store) -> None:
    first = twiliorig.set_up(store)
    asks, agrees = administrator(store, "kari"), administrator(store, "ola")
    second = twilioaccount.read(twiliorig.GIVEN)
    with transaction(store.engine) as connection:
        account.change(connection, {"second_person": ["settings"]}, None, utc_now())
        twilioaccount.keep(connection, store.keys, second, asks.id, utc_now())
        done = guardedsettings.change(store, connection, {"twilio": second.id}, asks.id, utc_now())
        assert done.proposal is not None
        twilioaccount.wipe(connection, utc_now())
    assert in_force(store) == first
    assert sealed(store) == {first.id: True, second.id: True}

    with reading(store.engine) as connection:
        (proposal,) = approvals.open_proposals(connection)
    effect = guardedsettings.settings_effect(store, proposal, agrees.person, utc_now())
    with transaction(store.engine) as connection:
        effect.write(connection)
    assert in_force(store) == second
    assert sealed(store) == {first.id: False, second.id: True}

    with reading(store.engine) as connection:
        entries = [json.loads(row.entry) for row in connection.execute(sa.select(ledger_entries))]
    (entry,) = [each for each in entries if each["kind"] == "provider.changed"]
    assert entry["data"] == {"provider": "twilio", "credentials": second.id, "person": agrees.id}
    assert twiliorig.TOKEN not in str(entries)
    assert twiliorig.SID not in str(entries)


def test_taking_them_out_of_force_waits_for_nobody(store: Store) -> None:
    twiliorig.set_up(store)
    person = administrator(store, "kari")
    with transaction(store.engine) as connection:
        account.change(connection, {"second_person": ["settings"]}, None, utc_now())
        done = guardedsettings.change(store, connection, {"twilio": None}, person.id, utc_now())
        assert done.proposal is None
    assert in_force(store) is None
    assert set(sealed(store).values()) == {False}


def test_what_is_about_to_come_into_force_is_not_wiped_meanwhile(store: Store) -> None:
    first, second = twiliorig.set_up(store), twilioaccount.read(twiliorig.GIVEN)
    with transaction(store.engine) as connection:
        twilioaccount.keep(connection, store.keys, second, "usr_nobody", utc_now())
        twilioaccount.wipe_exchanged(connection, utc_now())
    assert sealed(store) == {first.id: True, second.id: True}


def test_where_no_call_goes_on_the_old_secrets_go_at_once(store: Store) -> None:
    first, boss = twiliorig.set_up(store), administrator(store, "kari")
    second = twilioaccount.read(twiliorig.GIVEN)
    with transaction(store.engine) as connection:
        twilioaccount.keep(connection, store.keys, second, boss.id, utc_now())
        guardedsettings.change(store, connection, {"twilio": second.id}, boss.id, utc_now())
    assert sealed(store) == {first.id: False, second.id: True}
