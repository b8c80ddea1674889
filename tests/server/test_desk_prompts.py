"""Announcements to telephones: the own recording, whose proof counts at its end, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.server import rig
from tests.server.deskrig import at_desk, has, until
from tests.server.rig import AT, HELLO, NO, WAIT, YES, pause

from askfirst.audio.container import encode_wav
from askfirst.audio.tone import tone
from askfirst.clock import LoopClock
from askfirst.decide import decide
from askfirst.model import Party
from askfirst.notice import announcement
from askfirst.ports import AgentLeg, Clock
from askfirst.server import ownprompts
from askfirst.server.account import account, change
from askfirst.server.accounts import User
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.desk import Desk
from askfirst.server.livecall import Line, LiveCall
from askfirst.server.node import Node
from askfirst.server.prompttables import prompts
from askfirst.server.store import Store
from askfirst.telephony.conversation import ConversationProvider
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.persona import Persona, by_number

NEW_ZEALAND = "+64209001234"
"""Somebody has to be told there, and with an agent in Texas nobody has to agree."""

OSLO = "+4722222222"
TALKS = (WAIT, *[HELLO] * 60)
KEYS = (WAIT, pause(500), YES, pause(300), *[HELLO] * 60)
LONG_MS = 30_000
BASIS = {
    "lawful_basis": "legitimate_interests",
    "lawful_basis_owner": "Ada Holm",
    "purpose": "training",
    "purpose_sentence": "training our staff on real calls",
    "purpose_owner": "Ada Holm",
}


class Telephones:
    """A provider of calls to telephones whose other side is a persona."""

    name = "sip"

    def __init__(self, clock: Clock, persona: Persona) -> None:
        self._calls = ConversationProvider(clock, by_number({persona.name: persona}))
        self.capabilities = self._calls.capabilities
        self.on_call: Callable[[Any], bool] = lambda _: False

    async def dial(self, number: str, leg: AgentLeg, caller_id: str | None = None) -> Line:
        """Start a call."""
        return await self._calls.dial(number, leg)

    def shows(self, number: str) -> bool:
        """No number is its own."""
        return False

    async def close(self) -> None:
        """Nothing is open."""


def silent(_text: str, _language: str) -> NDArray[np.int16] | None:
    """A machine without the placeholder's voice."""
    return None


def humming(_text: str, _language: str) -> NDArray[np.int16] | None:
    """A placeholder's voice of two seconds."""
    return tone((300.0,), 2_000)


def text_of(store: Store, number: str, language: str = "en", *, keys: bool = False) -> str:
    """What is announced on a call from Texas."""
    with reading(store.engine) as connection:
        wants = account(connection)
    people = [Party.agent("US-TX"), Party.contact(number)]
    decision = decide(people, utc_now().date(), None, wants.policy())
    return announcement(decision.elements, language, wants.notice_facts(language), keys=keys)


def record(store: Store, user: User, text: str, language: str = "en") -> None:
    """Record an announcement as a tone."""
    sound = encode_wav(np.atleast_2d(tone((300.0,), LONG_MS)))
    with transaction(store.engine) as connection:
        ownprompts.keep(connection, language, text, sound, user.id, AT)


def called(
    node: Node,
    user: User,
    folder: Path,
    course: Any,
    number: str = NEW_ZEALAND,
    steps: Sequence[str] = TALKS,
    placeholder: ownprompts.Placeholder = silent,
) -> str:
    """The id of a call to a telephone whose course is over."""
    persona = rig.callee(folder / "callee", *steps, number=number)
    made: list[str] = []

    async def scenario(desk: Desk) -> None:
        desk.providers.connect(Telephones(LoopClock(), persona))
        live = await desk.place(user, number, MemoryLeg())
        made.append(live.id)
        await until(live, has(answered=True))
        await course(live)
        await live.hangup()
        await until(live, has(settled=True))

    at_desk(node, scenario, {}, placeholder=placeholder)
    node.jobs.dispatch()
    node.jobs.wait()
    return made[0]


def data_of(store: Store, call: str, kind: str) -> list[Mapping[str, Any]]:
    """The data of every entry of a kind."""
    entries = [entry for _, entry in store.ledger.entries(call)]
    return [dict(entry["data"]) for entry in entries if entry["kind"] == kind]  # type: ignore[call-overload]


@pytest.fixture
def kari(node: Node, kari: User) -> User:
    """An agent of an account that names why it may record."""
    with transaction(node.store.engine) as connection:
        change(connection, BASIS, None, AT)
    return kari


# Where nothing can be played


def test_without_a_recording_nothing_is_played_and_the_agent_is_told_to_tell(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def course(live: LiveCall) -> None:
        await until(live, has(no_prompt=True))
        live.announce()
        await LoopClock().sleep_until(LoopClock().now_ms() + 10_000)
        assert live.state()["light"] != "recording"
        assert (live.state()["telling"], live.state()["no_prompt"]) == (None, True)

    call = called(node, kari, tmp_path, course)

    assert data_of(node.store, call, "notice.started") == []
    assert rig.recording_rows(node.store, call) == []


@pytest.mark.parametrize("where", ["another text", "another language"])
def test_a_recording_of_anything_else_is_not_played(
    node: Node, kari: User, tmp_path: Path, where: str
) -> None:
    text = text_of(node.store, NEW_ZEALAND)
    if where == "another text":
        record(node.store, kari, f"{text} Thank you.")
    else:
        record(node.store, kari, text, "nb")

    async def course(live: LiveCall) -> None:
        await until(live, has(no_prompt=True))

    call = called(node, kari, tmp_path, course)

    assert data_of(node.store, call, "notice.started") == []


def test_a_broken_recording_is_as_good_as_none(node: Node, kari: User, tmp_path: Path) -> None:
    record(node.store, kari, text_of(node.store, NEW_ZEALAND))
    with node.store.engine.begin() as connection:
        connection.execute(prompts.update().values(sound=b"OggS"))

    async def course(live: LiveCall) -> None:
        await until(live, has(no_prompt=True))

    call = called(node, kari, tmp_path, course, placeholder=humming)

    assert data_of(node.store, call, "notice.started") == []


def test_an_announcement_that_is_cut_short_is_no_proof(
    node: Node, kari: User, tmp_path: Path
) -> None:
    record(node.store, kari, text_of(node.store, NEW_ZEALAND))

    async def course(live: LiveCall) -> None:
        await until(live, has(telling="announcement"))
        await LoopClock().sleep_until(LoopClock().now_ms() + LONG_MS - 2_000)
        assert live.state()["light"] != "recording"

    call = called(node, kari, tmp_path, course)

    assert data_of(node.store, call, "consent.given") == []
    assert rig.openings(node.store, call) == []
    assert rig.call_row(node.store, call).proof == 0


def test_an_account_without_announcements_plays_none_by_itself(
    node: Node, kari: User, tmp_path: Path
) -> None:
    with transaction(node.store.engine) as connection:
        change(connection, {"announces": False}, None, AT)
    record(node.store, kari, text_of(node.store, NEW_ZEALAND))

    async def course(live: LiveCall) -> None:
        live.record()
        await LoopClock().sleep_until(LoopClock().now_ms() + 5_000)
        assert (live.state()["telling"], live.state()["no_prompt"]) == (None, False)
        live.announce()
        await until(live, has(telling="announcement"))

    called(node, kari, tmp_path, course)


def test_an_announcement_that_waits_does_not_begin_after_the_agents_own_words(
    node: Node, kari: User, tmp_path: Path
) -> None:
    record(node.store, kari, text_of(node.store, OSLO, keys=True))

    async def course(live: LiveCall) -> None:
        live.record()
        live.telling()
        await LoopClock().sleep_until(LoopClock().now_ms() + 3_000)
        assert live.state()["telling"] == "agent"

    call = called(node, kari, tmp_path, course, OSLO)

    assert [each["by"] for each in data_of(node.store, call, "notice.started")] == ["agent"]


# Where something is


def test_the_own_recording_is_played_and_counts_at_its_end(
    node: Node, kari: User, tmp_path: Path
) -> None:
    text = text_of(node.store, NEW_ZEALAND)
    record(node.store, kari, text)

    async def course(live: LiveCall) -> None:
        shown = await until(live, has(telling="announcement"))
        began_ms = shown["at_ms"]
        assert not shown["no_prompt"]
        shown = await until(live, has(light="recording"))
        assert shown["at_ms"] - began_ms >= LONG_MS
        await LoopClock().sleep_until(LoopClock().now_ms() + 3_000)

    call = called(node, kari, tmp_path, course)

    (started,) = data_of(node.store, call, "notice.started")
    digest = ownprompts.digest_of(text)
    assert (started["notice"], started["voice"]) == (f"sha256:{digest}", "recorded")
    row = rig.call_row(node.store, call)
    assert (row.outcome, row.proof) == ("recorded", 3)


def test_the_placeholder_speaks_where_nothing_was_recorded_and_the_ledger_says_so(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def course(live: LiveCall) -> None:
        await until(live, has(light="recording"))
        await LoopClock().sleep_until(LoopClock().now_ms() + 1_000)

    call = called(node, kari, tmp_path, course, placeholder=humming)

    (started,) = data_of(node.store, call, "notice.started")
    assert started["voice"] == "placeholder"
    assert rig.call_row(node.store, call).proof == 3


def test_a_recording_that_asks_for_a_key_opens_by_the_key(
    node: Node, kari: User, tmp_path: Path
) -> None:
    record(node.store, kari, text_of(node.store, OSLO, keys=True))

    async def course(live: LiveCall) -> None:
        live.announce()
        await until(live, has(light="recording"))
        await LoopClock().sleep_until(LoopClock().now_ms() + 1_000)

    call = called(node, kari, tmp_path, course, OSLO, KEYS)

    assert rig.call_row(node.store, call).proof == 4


def test_a_no_by_key_during_the_recording_stops_it(node: Node, kari: User, tmp_path: Path) -> None:
    record(node.store, kari, text_of(node.store, OSLO, keys=True))

    async def course(live: LiveCall) -> None:
        live.announce()
        await until(live, lambda shown: any(each["said_no"] for each in shown["parties"]))

    call = called(node, kari, tmp_path, course, OSLO, (WAIT, NO, *[HELLO] * 60))

    assert rig.recording_rows(node.store, call) == []


def test_looking_a_prompt_up_leaves_the_loop_free(node: Node, kari: User, tmp_path: Path) -> None:
    found: list[bool] = []

    def watching(_text: str, _language: str) -> NDArray[np.int16] | None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            found.append(True)
        else:
            found.append(False)
        return None

    async def course(live: LiveCall) -> None:
        await until(live, has(no_prompt=True))

    called(node, kari, tmp_path, course, placeholder=watching)

    assert found == [True]
