"""Webhooks of calls that go on while credentials are exchanged: what the old ones still may, once.

Real HTTP, signed by the player of the emulator with the credentials from before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.server import twiliorig
from tests.server.twiliorig import PUBLIC, Recorded, call_sid
from tests.web.test_twilio_http import Running, serving, told, upgrade, voice
from tests.web.test_twilio_http import store as store
from tests.web.test_twilio_http import unlimited as unlimited
from websockets.exceptions import ConnectionClosed, InvalidStatus

from askfirst.server import accounts, guardedsettings, twilioaccount
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.store import Store
from askfirst.server.twilioexchange import LASTS
from askfirst.server.twiliotables import twilio_accounts, twilio_events
from askfirst.telephony import twiliosignature
from askfirst.telephony.twiliosignature import SigningSecrets
from askfirst.twilioemulator.webhooks import Delivery, Manner, Webhook, WebhookPlayer
from askfirst.web.twiliopaths import PROGRESS, STREAM

NEW = {"auth_token": "the-token-that-came-after", "signing_key": "", "signing_secret": ""}
OTHER_SID = "AC" + "b2" * 16


@pytest.fixture
def running(store: Store, tmp_path: Path) -> Iterator[Running]:
    """A server at which call 1 rings, and call 2 has ended."""
    with serving(store, tmp_path / "data", Recorded()) as found:
        for each in (*told(1)[:2], *told(2)):
            assert found.send(each).status == 204
        found.calls.wait_for(6)
        yield found


def exchange(running: Running, **more: str) -> None:
    """Put other credentials in force, as the page does."""
    store = running.site.store
    made = twilioaccount.read({**twiliorig.GIVEN, **NEW, **more})
    with transaction(store.engine) as connection:
        twilioaccount.keep(connection, store.keys, made, "usr_nobody", utc_now())
    put_in_force(running, made.id)


def put_in_force(running: Running, which: str | None) -> None:
    """Let an administrator put credentials in force, or none."""
    store, now = running.site.store, utc_now()
    with transaction(store.engine) as connection:
        known = accounts.all_users(connection)
        boss = (
            known[0]
            if known
            else accounts.add_user(connection, "boss@example.org", "Boss", [UserRole.ADMIN], now)
        )
        guardedsettings.change(store, connection, {"twilio": which}, boss.id, now)
    running.intake.forget_account()


def send_new(running: Running, webhook: Webhook) -> Delivery:
    """Send what the newer credentials sign."""

    async def sent() -> Delivery:
        secrets = SigningSecrets(NEW["auth_token"])
        player = WebhookPlayer(secrets, running.reach, account_sid=twiliorig.SID)
        try:
            return await player.send(webhook)
        finally:
            await player.close()

    return asyncio.run(sent())


def later(running: Running, by: timedelta) -> None:
    """Let everything that was written have happened so much earlier."""
    with transaction(running.site.store.engine) as connection:
        for table, columns in (
            (twilio_events, ("at",)), (twilio_accounts, ("made_at", "ended_at")),
        ):  # fmt: skip
            for row in connection.execute(sa.select(table)).mappings().all():
                key = next(iter(table.primary_key))
                values = {name: row[name] - by for name in columns if row[name] is not None}
                connection.execute(table.update().where(key == row[key.name]).values(**values))
    running.intake.forget_account()


def sealed(running: Running) -> int:
    """How many credentials have their secrets."""
    with running.site.store.engine.connect() as connection:
        query = sa.select(twilio_accounts.c.id).where(twilio_accounts.c.sealed.is_not(None))
        return len(connection.execute(query).all())


# What is refused


def test_with_the_old_token_nothing_is_taken_of_a_call_that_nobody_knows(running: Running) -> None:
    exchange(running)
    assert running.send(told(3)[0]).status == 403
    assert running.send(told(3)[3]).status == 403
    assert len(running.calls.events) == 6


def test_with_the_old_token_nothing_is_taken_of_a_call_that_is_over(running: Running) -> None:
    exchange(running)
    again = Webhook(PUBLIC + PROGRESS, {**told(2)[3].fields, "SequenceNumber": "4"})
    assert running.send(again).status == 403


def test_after_the_period_the_old_token_counts_for_nothing(running: Running) -> None:
    exchange(running)
    later(running, LASTS - timedelta(minutes=1))
    assert running.send(told()[2]).status == 204
    later(running, timedelta(minutes=1))
    assert running.send(told()[3]).status == 403


def test_before_a_clock_that_was_set_back_it_counts_for_nothing(running: Running) -> None:
    exchange(running)
    later(running, timedelta(minutes=-5))
    assert running.send(told()[2]).status == 403


def test_what_came_before_is_refused_when_it_comes_again(running: Running) -> None:
    exchange(running)
    assert running.send(told()[1]).status == 403, "from before the exchange"
    assert running.send(told()[2]).status == 204
    assert running.send(told()[2]).status == 403
    running.calls.wait_for(7)
    assert running.calls.states(call_sid(1)) == ["initiated", "ringing", "in-progress"]


def test_no_call_begins_and_none_comes_back_with_the_old_token(running: Running) -> None:
    exchange(running)
    back = voice(number=1, DialCallStatus="no-answer")
    for each in (voice(number=3), voice(number=1), back):
        assert running.send(Webhook(each.url, each.fields)).status == 403
    assert running.calls.calls == []


def test_no_stream_is_let_in_by_the_old_token(running: Running) -> None:
    exchange(running)
    signature = twiliosignature.make(twiliorig.TOKEN, f"wss://phone.example{STREAM}")
    with pytest.raises((InvalidStatus, ConnectionClosed)):
        upgrade(running, signature)
    assert running.calls.streams == []


@pytest.mark.parametrize(
    "manner", [Manner.WRONG, Manner.UNSIGNED, Manner.ADDED, Manner.WRONG_SCHEME]
)
def test_a_signature_of_nobody_s_is_refused_for_a_known_call_too(
    running: Running, manner: Manner
) -> None:
    exchange(running)
    assert running.send(Webhook(PUBLIC + PROGRESS, told()[2].fields, manner)).status == 403
    assert len(running.calls.events) == 6


def test_what_names_another_account_or_no_call_is_refused(running: Running) -> None:
    exchange(running)
    fields = told()[2].fields
    for bad in ({**fields, "AccountSid": OTHER_SID}, {**fields, "CallSid": ""}):
        assert running.send(Webhook(PUBLIC + PROGRESS, bad)).status == 403


def test_credentials_from_before_those_count_for_nothing(running: Running) -> None:
    exchange(running)
    assert send_new(running, told(3)[0]).status == 204
    exchange(running, auth_token="a-third-token-of-nobody")  # noqa: S106
    assert running.send(told(1)[2]).status == 403, "signed with the first"
    assert send_new(running, told(1)[2]).status == 403, "began under the first"
    assert send_new(running, told(3)[1]).status == 204
    assert sealed(running) == 2


# What holds


def test_a_call_that_goes_on_is_heard_of_to_its_end_and_then_nothing_is_left(
    running: Running,
) -> None:
    exchange(running)
    assert sealed(running) == 2
    for each in told()[2:]:
        assert running.send(each).status == 204
    running.calls.wait_for(8)
    assert running.calls.states(call_sid(1))[2:] == ["in-progress", "completed"]
    assert running.intake.tally["earlier"] == 2

    assert running.send(Webhook(PUBLIC + PROGRESS, {**told()[3].fields, "X": "1"})).status == 403
    with transaction(running.site.store.engine) as connection:
        twilioaccount.wipe_exchanged(connection, utc_now())
    assert sealed(running) == 1
    assert send_new(running, told(3)[0]).status == 204


def test_what_the_new_token_signs_counts_for_every_call(running: Running) -> None:
    exchange(running)
    assert send_new(running, told(1)[2]).status == 204
    assert send_new(running, told(3)[0]).status == 204
    assert send_new(running, Webhook(PUBLIC + PROGRESS, told(1)[2].fields)).status == 204


def test_a_call_of_another_account_ends_by_its_own_account(running: Running) -> None:
    exchange(running, account_sid=OTHER_SID)
    ours = {**told()[2].fields, "AccountSid": twiliorig.SID}
    theirs = {**told()[3].fields, "AccountSid": OTHER_SID}
    assert running.send(Webhook(PUBLIC + PROGRESS, ours)).status == 204
    assert running.send(Webhook(PUBLIC + PROGRESS, theirs)).status == 403


def test_calls_end_too_where_the_credentials_were_removed(running: Running) -> None:
    put_in_force(running, None)
    assert running.send(told(3)[0]).status == 403
    for each in told()[2:]:
        assert running.send(each).status == 204
    with transaction(running.site.store.engine) as connection:
        twilioaccount.wipe_exchanged(connection, utc_now())
    assert sealed(running) == 0
