"""Parts for tests of live calls: an agent at a desk on a virtual clock, and waiting for a state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from tests.server import rig
from tests.server.rig import AT, HELLO, NORWAY, WAIT, YES, pause

from askfirst.clock import LoopClock, run_virtual
from askfirst.errors import Refused
from askfirst.server import accounts, agreements
from askfirst.server.access import UserRole
from askfirst.server.account import account
from askfirst.server.accounts import User
from askfirst.server.database import transaction
from askfirst.server.desk import Desk
from askfirst.server.livecall import LiveCall
from askfirst.server.node import Node
from askfirst.telephony.persona import Persona

SETTINGS = {
    "company": "Harbor Supply",
    "home_place": "US-TX",
    "purpose": "training",
    "retention_days": 30,
    "notice_version": 2,
}
LONG = (pause(60_000),)
ASKED = (WAIT, pause(500), YES, pause(300), *[HELLO] * 40)
"""Somebody who presses 1 after an announcement and then talks for a while."""

State = dict[str, Any]
Scenario = Callable[[Desk], Awaitable[None]]


def agent(node: Node, name: str, notice: int | None = 2) -> User:
    with transaction(node.store.engine) as connection:
        made = accounts.add_user(connection, f"{name}@example.org", name, [UserRole.AGENT], AT)
        if notice is not None:
            accounts.acknowledge(connection, made.id, notice, AT)
        return accounts.user(connection, made.id)


def agree(node: Node, user: User) -> None:
    """Somebody agrees to being recorded, in the words of the settings as they are."""
    with transaction(node.store.engine) as connection:
        wants = account(connection)
        digest = agreements.present(wants).digest
        agreements.agree(connection, user.id, wants, digest, "en", AT)


def revoke(node: Node, user: User) -> None:
    """Somebody takes that back."""
    with transaction(node.store.engine) as connection:
        agreements.revoke(connection, user.id, AT)


def at_desk(
    node: Node, scenario: Scenario, personas: Mapping[str, Persona] | None = None, **how: Any
) -> None:
    """A scenario on a virtual clock; the desk is closed whatever comes of it."""

    async def play() -> None:
        desk = Desk(node, LoopClock(), personas=personas, **how)
        try:
            await scenario(desk)
        finally:
            await desk.close()

    run_virtual(play())


def called(
    node: Node, folder: Path, steps: tuple[str, ...], scenario: Scenario, number: str = NORWAY
) -> None:
    """A scenario with one persona, in Norway, whose voice is a tone, as any announcement is."""
    persona = rig.callee(folder / "callee", *steps, number=number)
    at_desk(node, scenario, {"callee": persona}, prompts=rig.prompt)


async def until(live: LiveCall, holds: Callable[[State], bool]) -> State:
    async for shown in live.events():
        if holds(shown):
            return shown
    raise AssertionError("the call never came to the state that the test waits for")


def has(**values: object) -> Callable[[State], bool]:
    return lambda shown: all(shown[key] == value for key, value in values.items())


async def collect(live: LiveCall) -> list[State]:
    return [shown async for shown in live.events()]


async def converse(live: LiveCall, acts: Mapping[int, Callable[[], object]]) -> None:
    """Say every sentence that is offered; `acts` are done before the sentence of their number."""
    for number in range(100):
        offered = await until(live, lambda shown: bool(shown["sentences"]) or shown["settled"])
        if offered["settled"]:
            return
        if number in acts:
            acts[number]()
        try:
            await live.say(offered["sentences"][0]["id"])
        except Refused:  # an announcement or the end came first
            continue
