"""Twilio's webhooks over real HTTP: what is refused, what comes once, in order, and after a crash.

Who carries calls is somebody who writes down what is handed on; the other side is the player of the
emulator.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeVar, cast

import httpx
import pytest
import sqlalchemy as sa
import uvicorn
from tests.server import twiliorig
from tests.server.twiliorig import PUBLIC, SECRETS, Recorded, call_sid
from tests.web.conftest import set_up
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from askfirst.rules import packaged
from askfirst.server import twilioevents
from askfirst.server.database import transaction
from askfirst.server.listening import Listening
from askfirst.server.settings import Settings
from askfirst.server.store import Store
from askfirst.server.twilioevents import Intake
from askfirst.server.twiliotables import twilio_events
from askfirst.telephony import twiliosignature
from askfirst.twilioemulator.webhooks import (
    STATES,
    Delivery,
    Manner,
    Webhook,
    WebhookPlayer,
    disordered,
    progress,
)
from askfirst.web import api_twilio
from askfirst.web.app import create_app
from askfirst.web.carrying import Carrier
from askfirst.web.guard import RateLimit
from askfirst.web.overtwilio import OverTwilio
from askfirst.web.twiliopaths import FALLBACK, PROGRESS, STREAM, VOICE
from askfirst.web.visit import Site

FROM, TO = "+15550100123", "+4721000000"
Result = TypeVar("Result")


@dataclass
class Running:
    """A server that answers Twilio; `calls` is who carries calls."""

    site: Site
    calls: Recorded
    intake: Intake
    port: int

    @property
    def reach(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def play(self, work: Callable[[WebhookPlayer], Awaitable[Result]]) -> Result:
        """Let a player of this account do something, on a loop of its own."""

        async def all_of_it() -> Result:
            player = WebhookPlayer(SECRETS, self.reach, "SKhooks", account_sid=twiliorig.SID)
            try:
                return await work(player)
            finally:
                await player.close()

        return asyncio.run(all_of_it())

    def send(self, webhook: Webhook) -> Delivery:
        return self.play(lambda player: player.send(webhook))

    def rows(self) -> list[sa.Row[tuple[object, ...]]]:
        with self.site.store.engine.connect() as connection:
            return list(connection.execute(sa.select(twilio_events)).all())


@contextmanager
def serving(store: Store, folder: Path, calls: Recorded | None) -> Iterator[Running]:
    """A server on a port of its own, behind the public address of the settings."""
    listener = socket.create_server(("127.0.0.1", 0))
    settings = Settings(data=folder, public_url=PUBLIC, port=listener.getsockname()[1])
    carrier = Carrier()
    carrier._over_twilio = None if calls is None else cast("OverTwilio", calls)
    site = Site(store, settings, packaged(), Listening(store), carrier)
    app = create_app(site)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield Running(site, calls or Recorded(), app.state.twilio, settings.port)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture(autouse=True)
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that starts anew for each test."""
    fresh = RateLimit(most=60, seconds=60.0, clock=lambda: 0.0)
    monkeypatch.setattr(api_twilio, "unsigned", fresh)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "data")
    set_up(Site(opened, Settings(data=tmp_path / "data"), packaged(), Listening(opened)))
    twiliorig.set_up(opened)
    yield opened
    opened.close()


@pytest.fixture
def running(store: Store, tmp_path: Path) -> Iterator[Running]:
    with serving(store, tmp_path / "data", Recorded()) as found:
        yield found


def voice(manner: Manner = Manner.PLAIN, number: int = 1, **more: str) -> Webhook:
    """Twilio asks what to do with a call."""
    fields = {"CallSid": call_sid(number), "From": FROM, "To": TO, "CallStatus": "ringing", **more}
    return Webhook(PUBLIC + VOICE, fields, manner, fallback=PUBLIC + FALLBACK)


def told(number: int = 1) -> list[Webhook]:
    """All that is told of one call."""
    return progress(PUBLIC + PROGRESS, call_sid(number))


# What is refused

BAD = (Manner.WRONG, Manner.UNSIGNED, Manner.ADDED, Manner.WRONG_SCHEME)


@pytest.mark.parametrize("manner", BAD)
def test_what_is_not_signed_well_is_refused_in_words_and_nothing_is_done(
    running: Running, manner: Manner, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        asked = running.send(Webhook(PUBLIC + VOICE, voice().fields, manner))
        event = running.send(Webhook(PUBLIC + PROGRESS, told()[0].fields, manner))

    for answer in (asked, event):
        assert answer.status == 403
        document = json.loads(answer.body)
        assert "Nothing was done" in document["detail"]
        assert document["detail"][-12:] in caplog.text
    assert FROM not in caplog.text
    assert twiliorig.TOKEN not in caplog.text + asked.body
    assert running.calls == Recorded(_came=running.calls._came)
    assert running.rows() == []
    assert running.intake.tally == {"refused": 2}


def test_a_proxy_s_word_about_the_address_counts_for_nothing(running: Running) -> None:
    url = "https://evil.example" + PROGRESS
    signature = twiliosignature.make(twiliorig.TOKEN, url, [("CallSid", call_sid(1))])
    headers = {
        twiliosignature.HEADER: signature,
        "host": "evil.example",
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": "https",
        "forwarded": "host=evil.example;proto=https",
    }
    answer = httpx.post(running.reach + PROGRESS, data={"CallSid": call_sid(1)}, headers=headers)
    assert answer.status_code == 403


def test_another_account_s_request_is_refused_even_with_our_token(running: Running) -> None:
    other = Webhook(PUBLIC + PROGRESS, {**told()[0].fields, "AccountSid": "AC" + "b" * 32})
    assert running.send(other).status == 403


@pytest.mark.parametrize(
    "fields",
    [{}, {"CallSid": "CA1"}, {"CallSid": call_sid(1)[:-1] + "g"},
     {"CallSid": call_sid(1), "RecordingSid": "RE1", "RecordingStatus": "completed"}],
)  # fmt: skip
def test_a_signed_request_about_no_call_does_nothing(
    running: Running, fields: dict[str, str]
) -> None:
    assert running.send(Webhook(PUBLIC + PROGRESS, fields)).status == 422
    assert running.rows() == []


def test_too_much_is_not_read(running: Running) -> None:
    fields = {**told()[0].fields, "More": "x" * 70_000}
    assert running.send(Webhook(PUBLIC + PROGRESS, fields)).status == 422


def test_unsigned_traffic_is_answered_briefly_after_a_while_and_signed_traffic_never(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    async def flood(player: WebhookPlayer) -> list[Delivery]:
        bad = Webhook(PUBLIC + PROGRESS, told()[0].fields, Manner.UNSIGNED)
        return [await player.send(bad) for _ in range(70)]

    statuses = [each.status for each in running.play(flood)]
    assert statuses[:60] == [403] * 60
    assert statuses[60:] == [429] * 10
    assert sum("twilio.refused" in each.message for each in caplog.records) == 60
    assert running.send(told()[0]).status == 204


def test_without_an_account_nothing_is_taken(tmp_path: Path) -> None:
    bare = Store.open(tmp_path / "bare")
    with serving(bare, tmp_path / "bare", Recorded()) as running:
        assert running.send(voice()).status == 200  # Twilio's fallback, asked after the refusal
        assert running.calls.calls == []
        assert running.intake.tally == {"refused": 1}
    bare.close()


def test_a_request_that_was_answered_is_answered_alike_and_later_refused(
    running: Running, store: Store, tmp_path: Path
) -> None:
    first, again = running.send(voice()), running.send(voice())
    assert first.status == again.status == 200
    assert first.body == again.body
    assert len(running.calls.calls) == 1

    with serving(store, tmp_path / "data", Recorded()) as later:  # after a restart
        replayed = later.send(Webhook(PUBLIC + VOICE, voice().fields))
        assert replayed.status == 403
        assert "answered before" in replayed.body
        assert later.calls.calls == []
        assert later.intake.tally["replayed"] == 1


def test_an_event_that_came_before_changes_nothing_not_even_after_a_restart(
    running: Running, store: Store, tmp_path: Path
) -> None:
    for each in told():
        assert running.send(each).status == 204
    running.calls.wait_for(4)
    kept = running.rows()

    with serving(store, tmp_path / "data", Recorded()) as later:
        for each in (*told(), *reversed(told())):
            assert later.send(each).status == 204
        running.play(lambda player: player.play(told()))
        assert later.calls.events == []
        assert {row.key for row in later.rows()} == {row.key for row in kept}


# Signatures that hold


@pytest.mark.parametrize("manner", [Manner.PLAIN, Manner.WITH_PORT, Manner.BY_KEY, Manner.TURNED])
def test_what_is_signed_in_any_way_that_twilio_has_is_taken(
    running: Running, manner: Manner
) -> None:
    answer = running.send(voice(manner))
    assert answer.status == 200
    assert "Pause" in answer.body
    assert running.calls.calls[0]["From"] == FROM
    assert running.send(Webhook(PUBLIC + PROGRESS, told(2)[0].fields, manner)).status == 204
    running.calls.wait_for(1)


def test_the_query_of_an_address_is_signed_with_it(running: Running) -> None:
    assert running.send(Webhook(f"{PUBLIC}{VOICE}?leg=2", voice().fields)).status == 200
    bad = running.play(
        lambda player: player.send(Webhook(f"{PUBLIC}{VOICE}?leg=3", voice().fields, Manner.WRONG))
    )
    assert bad.status == 403


# Once and in order


@pytest.mark.parametrize("seed", range(4))
def test_however_events_come_each_call_is_told_once_and_in_order(
    running: Running, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twilioevents, "GAP_S", 10.0)  # nothing is late by that much, on any machine
    random = Random(seed)  # noqa: S311 - the same every time
    sent = [
        each
        for number in range(1, 9)
        for each in disordered(told(number), random, repeats=3, late_s=0.1)
    ]
    answers = running.play(lambda player: player.play(sent))

    assert {each.status for each in answers} == {204}
    running.calls.wait_for(32)
    for number in range(1, 9):
        assert running.calls.states(call_sid(number)) == list(STATES)


def test_what_is_missing_is_waited_for_a_while_and_void_when_it_comes(running: Running) -> None:
    begun, ringing, answered, over = told()
    assert running.send(answered).status == 204
    running.calls.wait_for(1)  # the wait for what is missing is over
    assert running.send(ringing).status == 204
    assert running.send(over).status == 204
    assert running.send(begun).status == 204
    running.calls.wait_for(2)
    assert running.calls.states(call_sid(1)) == ["in-progress", "completed"]
    assert running.intake.tally["void"] == 2


def test_no_number_is_kept_of_an_event_and_no_field_once_it_was_handed_on(
    running: Running, tmp_path: Path
) -> None:
    webhook = progress(PUBLIC + PROGRESS, call_sid(1), From=FROM, To=TO, Digits="4711")[0]
    running.send(webhook)
    running.send(voice(number=2))
    running.calls.wait_for(1)
    assert FROM not in str(running.calls.events)
    assert FROM not in str(running.rows())
    assert "4711" not in str(running.rows())


def test_one_event_that_cannot_be_followed_keeps_no_other_back(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    running.calls.broken = frozenset({call_sid(1)})
    running.send(told(1)[0])
    running.send(told(2)[0])
    running.calls.wait_for(1)
    assert running.calls.states(call_sid(2)) == ["initiated"]
    assert "twilio.event-failed" in caplog.text
    assert running.intake.tally["failed"] == 1


def test_a_recording_that_nobody_asked_for_is_handed_on_and_said(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    recording = {"CallSid": call_sid(1), "RecordingSid": "RE" + "0" * 32,
                 "RecordingStatus": "completed", "RecordingUrl": "https://x.example/a"}  # fmt: skip
    for _ in range(2):
        assert running.send(Webhook(PUBLIC + PROGRESS, recording)).status == 204
    running.calls.wait_for(1)
    assert "twilio.recording-elsewhere" in caplog.text
    assert "x.example" not in str(running.calls.events) + caplog.text
    assert len(running.calls.events) == 1


# Trouble


def test_while_the_database_is_busy_answers_come_and_no_event_is_lost(running: Running) -> None:
    with transaction(running.site.store.engine):  # somebody else writes for long
        answers = running.play(lambda player: player.play([*told(1), *told(2)]))
        assert {each.status for each in answers} == {204}
        assert running.calls.events == []
    running.calls.wait_for(8)
    assert running.calls.states(call_sid(1)) == list(STATES)


def test_what_nobody_could_take_is_handed_on_after_the_next_start(
    store: Store, tmp_path: Path
) -> None:
    with serving(store, tmp_path / "data", None) as idle:
        for each in told():
            assert idle.send(each).status == 204
    with serving(store, tmp_path / "data", Recorded()) as later:
        later.calls.wait_for(4)
        assert later.calls.states(call_sid(1)) == list(STATES)


def test_a_call_that_nobody_can_take_is_told_so_and_hung_up(store: Store, tmp_path: Path) -> None:
    with serving(store, tmp_path / "data", None) as idle:
        answer = idle.send(Webhook(PUBLIC + VOICE, voice().fields))
        idle.send(Webhook(PUBLIC + FALLBACK, voice().fields))
        assert idle.intake.tally == {"not taken": 1, "fallback": 1}
    assert answer.status == 200
    assert "cannot be connected" in answer.body
    assert "<Hangup/>" in answer.body
    assert "Record" not in answer.body


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_fallback_says_that_nobody_can_be_reached_and_records_nothing(
    running: Running, method: str
) -> None:
    answer = httpx.request(method, running.reach + FALLBACK)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/xml")
    assert "<Hangup/>" in answer.text
    assert "Record" not in answer.text


@pytest.mark.parametrize("manner", [Manner.CUT_OFF, Manner.UNHEARD])
def test_a_request_that_breaks_off_leaves_the_server_well(running: Running, manner: Manner) -> None:
    running.send(Webhook(PUBLIC + PROGRESS, told()[0].fields, manner))
    for each in told():
        assert running.send(each).status == 204
    running.calls.wait_for(4)
    assert running.calls.states(call_sid(1)) == list(STATES)


# Streams


def upgrade(running: Running, signature: str | None = None) -> str:
    """What a stream answers to its first message."""
    headers = {} if signature is None else {"X-Twilio-Signature": signature}
    with connect(f"ws://127.0.0.1:{running.port}{STREAM}", additional_headers=headers) as found:
        found.send('{"event": "connected"}')
        return str(found.recv(5))


def test_an_upgrade_with_a_wrong_signature_is_refused(running: Running) -> None:
    for signature in ("x", twiliosignature.make(twiliorig.TOKEN, PUBLIC + STREAM)):
        with pytest.raises((InvalidStatus, ConnectionClosed)):
            upgrade(running, signature)
    assert running.calls.streams == []
    assert running.intake.tally == {"streams refused": 2}


@pytest.mark.parametrize("end", ["", "/"])
def test_an_upgrade_that_is_signed_well_or_not_at_all_goes_to_who_carries_calls(
    running: Running, end: str
) -> None:
    url = f"wss://phone.example{STREAM}{end}"
    assert upgrade(running, twiliosignature.make(twiliorig.TOKEN, url)) == "heard 1"
    assert upgrade(running) == "heard 2"


def test_more_unsigned_upgrades_than_there_are_calls_are_refused(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = RateLimit(most=2, seconds=60.0, clock=lambda: 0.0)
    monkeypatch.setattr(api_twilio, "upgrades", few)
    assert [upgrade(running) for _ in range(2)] == ["heard 1", "heard 2"]
    with pytest.raises((InvalidStatus, ConnectionClosed)):
        upgrade(running)
    url = f"wss://phone.example{STREAM}"
    assert upgrade(running, twiliosignature.make(twiliorig.TOKEN, url)) == "heard 3"


def test_without_anybody_who_carries_calls_there_are_no_streams(
    store: Store, tmp_path: Path
) -> None:
    with (
        serving(store, tmp_path / "data", None) as idle,
        pytest.raises((InvalidStatus, ConnectionClosed)),
    ):
        upgrade(idle)
