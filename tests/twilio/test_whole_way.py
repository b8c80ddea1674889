"""A call over Twilio through the application itself: set up as on the page, webhooks and stream in.

Twilio is the emulator on the same loop; its webhooks are signed by the player and go over HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from tests.server import twiliorig
from tests.server.rig import rows
from tests.twilio.onlooker import looked_on

from askfirst.clock import LoopClock
from askfirst.errors import Unavailable
from askfirst.rules import packaged
from askfirst.server import account, twilioaccount, twiliocalls
from askfirst.server.accounts import User
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, transaction
from askfirst.server.listening import Listening
from askfirst.server.livecall import LiveCall
from askfirst.server.node import Node
from askfirst.server.settings import Settings
from askfirst.server.twiliotables import twilio_calls, twilio_events
from askfirst.telephony import twiliosignature
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.persona import packaged_personas
from askfirst.telephony.twilioprovider import TwilioProvider
from askfirst.twilioemulator.app import LOOPBACK, TwilioEmulator, served
from askfirst.twilioemulator.asked import Form
from askfirst.twilioemulator.webhooks import Webhook, WebhookPlayer
from askfirst.web import overtwilio
from askfirst.web.app import create_app
from askfirst.web.carrying import Carrier
from askfirst.web.overtwilio import OverTwilio
from askfirst.web.twiliopaths import PROGRESS, STREAM, VOICE
from askfirst.web.visit import Site

NUMBER, OURS = "+12125550119", "+17135550100"
WITHIN_S = 30


@pytest.fixture(autouse=True)
def by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider of this tree, whatever is installed."""
    monkeypatch.setattr(overtwilio, "load", lambda *_: TwilioProvider)


@dataclass
class Office:
    """An application that carries calls over an emulated Twilio."""

    site: Site
    emulator: TwilioEmulator
    origin: str
    tally: Mapping[str, int]


@asynccontextmanager
async def office(node: Node, sign: bool = True) -> AsyncIterator[Office]:
    """The application behind a public address, and Twilio, which knows only that."""
    async with AsyncExitStack() as stack:
        player = WebhookPlayer(twiliorig.SECRETS, account_sid=twiliorig.SID)
        stack.push_async_callback(player.close)

        async def post(url: str, fields: Form) -> str:
            answer = await player.send(Webhook(url, dict(fields)))
            if not answer.is_answered:
                raise OSError(f"status {answer.status}")
            return answer.body

        emulator = TwilioEmulator(
            LoopClock(),
            lambda _: packaged_personas()["silent"],
            account=twiliorig.SID,
            secret=twiliorig.TOKEN,
            post=post,
            rings_ms=50,
        )
        stack.push_async_callback(emulator.close)

        def headers(url: str) -> dict[str, str]:
            token = twiliorig.TOKEN if sign else "another token"
            return {twiliosignature.HEADER: twiliosignature.make(token, url)}

        emulator.exchange.headers = headers
        twiliorig.set_up(node.store, sender=OURS)
        relay = _Later()
        ours = await stack.enter_async_context(served(relay))
        before = looked_on(emulator.app, emulator.exchange, f"{LOOPBACK}:{ours}")
        port = await stack.enter_async_context(served(before))
        settings = Settings(data=node.store.folder, public_url=f"http://{LOOPBACK}:{ours}")
        url = f"http://{LOOPBACK}:{port}"
        carrier = Carrier(node, settings=settings, twilio_url=url)
        site = Site(node.store, settings, packaged(), Listening(node.store), carrier)
        app = relay.app = create_app(site)
        await stack.enter_async_context(site.carrier.running())
        await stack.enter_async_context(app.state.twilio.running())
        yield Office(site, emulator, settings.origin, app.state.twilio.tally)


class _Later:
    """An application on a port that has to be known before it is made."""

    app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


async def until(live: LiveCall, holds: Callable[[Mapping[str, object]], object]) -> None:
    """Return once the state of a call is so."""
    async with asyncio.timeout(WITHIN_S):
        async for state in live.events():
            if holds(state):
                return
    raise AssertionError(f"the call ended before: {live.state()}")


def test_a_call_is_placed_heard_of_and_carried_by_the_application(node: Node, kari: User) -> None:
    async def scenario() -> None:
        async with office(node) as ours:
            live = await ours.site.carrier.desk.place(kari, NUMBER, MemoryLeg())
            await until(live, lambda state: state["answered"])
            assert ours.emulator.asked.streams() == {f"ws{ours.origin[4:]}{STREAM}"}
            await live.hangup()
            await until(live, lambda _: live.has_ended)
        assert ours.emulator.asked.captures() == []
        assert ours.tally["refused"] == 0

    asyncio.run(scenario())

    (call,) = rows(node.store, sa.select(calls))
    assert (call.provider, call.direction) == ("twilio", "outbound")
    told = rows(node.store, sa.select(twilio_events))
    assert {row.status for row in told} >= {"in-progress"}
    assert NUMBER not in str(told)


def test_a_stream_with_a_wrong_signature_carries_no_sound(node: Node, kari: User) -> None:
    async def scenario() -> None:
        async with office(node, sign=False) as ours:
            live = await ours.site.carrier.desk.place(kari, NUMBER, MemoryLeg())
            await until(live, lambda _: live.has_ended)
            assert not live.state()["answered"]
        assert ours.tally["streams refused"] >= 1

    asyncio.run(scenario())


def test_a_call_that_comes_in_rings_here(node: Node, kari: User) -> None:
    async def scenario() -> None:
        async with office(node) as ours:
            rings = asyncio.Event()

            def ring(line: Any) -> bool:
                assert (line.caller, line.called) == (NUMBER, OURS)
                rings.set()
                return True

            assert ours.site.carrier.desk.outside is not None
            ours.site.carrier.desk.outside.on_call = ring
            ours.emulator.exchange.call_in(
                NUMBER, OURS, packaged_personas()["silent"],
                ours.origin + VOICE, ours.origin + PROGRESS,
            )  # fmt: skip
            async with asyncio.timeout(WITHIN_S):
                await rings.wait()
            assert ours.tally["calls"] == 1

    asyncio.run(scenario())


def test_without_a_number_to_show_nothing_is_carried_and_the_program_runs(node: Node) -> None:
    async def scenario() -> None:
        twiliorig.set_up(node.store)
        settings = Settings(data=node.store.folder, public_url="https://phone.example")
        carrier = Carrier(node, settings=settings)
        async with carrier.running():
            assert carrier.twilio is None
            assert carrier.desk.outside is None

    asyncio.run(scenario())


def test_exchanged_credentials_count_once_no_call_goes_on(node: Node, kari: User) -> None:
    async def scenario() -> None:
        async with office(node) as ours:
            over = ours.site.carrier._over_twilio
            assert isinstance(over, OverTwilio)
            first = ours.site.carrier.desk.outside
            live = await ours.site.carrier.desk.place(kari, NUMBER, MemoryLeg())
            await until(live, lambda state: state["answered"])
            twiliorig.set_up(node.store, sender="+4721000009")

            await over.look()
            assert ours.site.carrier.desk.outside is first, "a call goes on with the old ones"
            await live.hangup()
            await until(live, lambda _: live.has_ended)
            while ours.site.carrier.busy:  # noqa: ASYNC110 - a desk tells nobody
                await asyncio.sleep(0.01)
            await over.look()

            assert ours.site.carrier.desk.outside is not first
            with transaction(node.store.engine) as connection:
                account.change(connection, {twilioaccount.SETTING: None}, None, utc_now())
            await over.look()
            assert ours.site.carrier.desk.outside is None
            assert ours.site.carrier.twilio is None

    asyncio.run(scenario())


def test_which_call_of_ours_is_at_twilio_is_written_down(node: Node, kari: User) -> None:
    async def scenario() -> str:
        async with office(node) as ours:
            live = await ours.site.carrier.desk.place(kari, NUMBER, MemoryLeg())
            await until(live, lambda state: state["answered"])
            await live.hangup()
            await until(live, lambda _: live.has_ended)
            return live.id

    call = asyncio.run(scenario())

    (row,) = rows(node.store, sa.select(twilio_calls))
    assert row.call == call
    assert twiliocalls.call_of(node.store, row.sid) == call
    assert twiliocalls.call_of(node.store, "CA" + "f" * 32) is None


def test_a_database_that_does_not_answer_takes_nobody_off_the_line(
    node: Node, kari: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_connection: sa.Connection) -> str:
        raise Unavailable("no disk")

    async def scenario() -> None:
        async with office(node) as ours:
            over, before = ours.site.carrier._over_twilio, ours.site.carrier.desk.outside
            assert isinstance(over, OverTwilio)
            with monkeypatch.context() as patch:
                patch.setattr(twilioaccount, "identity", fails)
                await over.look()
            assert ours.site.carrier.desk.outside is before
            assert ours.site.carrier.twilio is over

    asyncio.run(scenario())
