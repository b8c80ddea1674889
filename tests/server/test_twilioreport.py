"""What `askfirst doctor` says of Twilio: what is missing with what to do, and nobody is asked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.server import twiliorig

from askfirst.server import account, twilioaccount
from askfirst.server.checkup import Finding, State
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.elsewheretables import elsewhere_checks
from askfirst.server.settings import Settings
from askfirst.server.store import Store
from askfirst.server.twilioreport import twilio
from askfirst.telephony.siptrunk import Trunk

OURS = "+4721000000"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def settings(store: Store) -> Settings:
    return Settings(data=store.folder, public_url="https://phone.example")


def found(settings: Settings, now: datetime | None = None) -> dict[str, Finding]:
    findings = list(twilio(settings, now or utc_now()))
    assert len({each.name for each in findings}) == len(findings)
    assert all(bool(each.do) is (each.state is not State.OK) for each in findings)
    said = str(findings)
    for secret in (twiliorig.TOKEN, twiliorig.SIGNING, twiliorig.SID, OURS):
        assert secret not in said
    return {each.name: each for each in findings}


def checked(store: Store, problem: str | None, done: datetime | None) -> None:
    with transaction(store.engine) as connection:
        connection.execute(elsewhere_checks.delete())
        connection.execute(
            elsewhere_checks.insert().values(
                id=1, tried_at=utc_now(), done_at=done, problem=problem
            )
        )


# What is missing


def test_with_other_keys_the_credentials_are_said_not_to_open(
    store: Store, settings: Settings
) -> None:
    twiliorig.set_up(store, sender=OURS)
    store.keys.destroy_salt(twilioaccount.SCOPE)
    assert found(settings)["twilio"].state is State.MISSING
    store.keys.salt(twilioaccount.SCOPE)
    told = found(settings)["twilio"]
    assert told.state is State.MISSING
    assert "do not open" in told.says
    assert "same backup" in told.do


def test_with_another_wrapping_key_they_do_not_open_either(
    store: Store, settings: Settings
) -> None:
    twiliorig.set_up(store, sender=OURS)
    (store.folder / "keys" / "master.key").write_bytes(os.urandom(32))
    assert found(settings)["twilio"].state is State.MISSING


def test_wiped_secrets_are_missing(store: Store, settings: Settings) -> None:
    made = twiliorig.set_up(store, sender=OURS)
    twiliorig.set_up(store)
    with transaction(store.engine) as connection:
        twilioaccount.wipe(connection, utc_now())
        account.change(connection, {twilioaccount.SETTING: made.id}, None, utc_now())
    assert "no secrets any more" in found(settings)["twilio"].says


@pytest.mark.parametrize("url", [None, "http://phone.example"])
def test_without_a_public_address_over_https_it_is_missing(
    store: Store, settings: Settings, url: str | None
) -> None:
    twiliorig.set_up(store, sender=OURS)
    told = found(replace(settings, public_url=url))["twilio-address"]
    assert told.state is State.MISSING
    assert "public_url" in told.says


def test_without_a_number_that_calls_show_nothing_goes_over_it(
    store: Store, settings: Settings
) -> None:
    twiliorig.set_up(store)
    assert found(settings)["twilio"].state is State.WARNING


@pytest.mark.parametrize(
    ("problem", "age", "warns"),
    [("unreachable", timedelta(days=1), True), ("unreachable", timedelta(days=9), False),
     ("refused", None, False), (None, timedelta(), False)],
)  # fmt: skip
def test_a_look_for_recordings_that_was_not_whole_is_said_while_an_older_one_was(
    store: Store, settings: Settings, problem: str | None, age: timedelta | None, warns: bool
) -> None:
    twiliorig.set_up(store, sender=OURS)
    now = utc_now()
    checked(store, problem, None if age is None else now - age)
    assert ("twilio-recordings" in found(settings, now)) is warns


def test_where_it_was_never_looked_that_is_said(store: Store, settings: Settings) -> None:
    twiliorig.set_up(store, sender=OURS)
    assert "never looked" in found(settings)["twilio-recordings"].says


# What holds


def test_credentials_that_open_an_address_and_a_look_are_all_right(
    store: Store, settings: Settings
) -> None:
    twiliorig.set_up(store, sender=OURS)
    checked(store, None, utc_now())
    before = {each: each.stat().st_mtime_ns for each in store.folder.rglob("*")}
    told = found(settings)
    assert {name: each.state for name, each in told.items()} == {
        "twilio": State.OK, "twilio-address": State.OK,
    }  # fmt: skip
    assert "open with these keys" in told["twilio"].says
    assert {each: each.stat().st_mtime_ns for each in store.folder.rglob("*")} == before


def test_a_trunk_beside_it_is_said_with_what_each_carries(store: Store, settings: Settings) -> None:
    twiliorig.set_up(store, sender=OURS)
    trunk = Trunk(server="pbx.example", password="s3cret")  # noqa: S106 - of nobody
    assert "SIP trunk" in found(replace(settings, sip=trunk))["twilio-trunk"].says


def test_keys_that_a_server_wraps_are_not_asked_for(store: Store, settings: Settings) -> None:
    twiliorig.set_up(store, sender=OURS)
    (store.folder / "keys" / "wrapper.json").write_text("{}")
    assert "seen at the start" in found(settings)["twilio"].says


def test_where_nobody_ever_set_it_up_nothing_is_said(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    assert found(settings) == {}
    assert found(replace(settings, data=tmp_path / "nowhere")) == {}
    twiliorig.set_up(store, sender=OURS)
    with transaction(store.engine) as connection:
        account.change(connection, {twilioaccount.SETTING: None}, None, utc_now())
    assert "no credentials are in force" in found(settings)["twilio"].says
