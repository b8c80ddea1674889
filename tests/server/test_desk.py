"""Live calls at a desk: who may do what in them, and a light that never runs ahead of the gate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.server import rig
from tests.server.deskrig import (
    ASKED,
    LONG,
    SETTINGS,
    State,
    agent,
    at_desk,
    called,
    collect,
    converse,
    has,
    until,
)
from tests.server.rig import AGENT, AT, CALIFORNIA, HELLO, NORWAY

from askfirst.clock import LoopClock
from askfirst.errors import AskfirstError, InvalidInput, NotFound, Refused
from askfirst.gate import Facts
from askfirst.server import contacts
from askfirst.server.account import change
from askfirst.server.accounts import User
from askfirst.server.call import Call
from askfirst.server.contactcard import Draft, Number
from askfirst.server.database import calls, consents, transaction
from askfirst.server.desk import Desk
from askfirst.server.livecall import LiveCall, light
from askfirst.server.node import Node
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.persona import packaged_personas

NEW_YORK = "+12125550118"
"""With an agent in Texas, nobody has to be told or asked."""

# What is refused


def test_a_number_that_is_no_demo_contacts_is_called_by_nobody(node: Node, kari: User) -> None:
    async def scenario(desk: Desk) -> None:
        with pytest.raises(InvalidInput, match="no demo contact has"):
            await desk.place(kari, "+4722222222", MemoryLeg())
        with pytest.raises(InvalidInput, match="another number"):
            await desk.place(kari, CALIFORNIA, MemoryLeg(), persona="told")
        assert desk.all() == ()
        assert desk.of(kari.id) is None

    at_desk(node, scenario)
    assert rig.rows(node.store, calls.select()) == []


def test_a_second_call_of_a_user_is_refused_even_while_the_first_is_being_placed(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        placed = await asyncio.gather(
            *(desk.place(kari, NORWAY, MemoryLeg()) for _ in range(2)), return_exceptions=True
        )
        first, second = placed
        assert isinstance(first, LiveCall)
        assert isinstance(second, Refused)
        with pytest.raises(Refused, match="already"):
            await desk.place(kari, NORWAY, MemoryLeg())
        assert desk.all() == (first,)

        await first.hangup()
        again = await desk.place(kari, NORWAY, MemoryLeg())
        assert desk.of(kari.id) is again

    called(node, tmp_path, LONG, scenario)


def test_before_the_answer_nothing_can_be_said_of_the_other_side(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        for act in (live.telling, live.hold, lambda: live.learn_place(1, "NO")):
            with pytest.raises(Refused, match="nobody has answered"):
                act()
        with pytest.raises(Refused, match="nobody has answered"):
            live.consent("agreed")
        assert has(answered=False, light="off", state="closed")(live.state())

    called(node, tmp_path, LONG, scenario)


def test_after_the_end_commands_say_so_and_hanging_up_again_changes_nothing(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        await until(live, has(answered=True))
        await live.hangup()
        await live.hangup()
        last = (await collect(live))[-1]
        await live.hangup()

        assert has(state="ended", light="off", settled=True, sentences=[])(last)
        commands: list[Callable[[], object]] = [
            live.record,
            live.stop,
            live.telling,
            live.hold,
            lambda: live.consent("agreed"),
            lambda: live.learn_place(1, "NO"),
            lambda: live.mute(True),
        ]
        for command in commands:
            with pytest.raises(Refused, match="the call is over"):
                command()
        for waiting in (live.say("0"), live.keypad("1")):
            with pytest.raises(Refused, match="the call is over"):
                await waiting
        with pytest.raises(NotFound):
            desk.get(live.id)
        assert live.state()["sequence"] == last["sequence"]

    called(node, tmp_path, LONG, scenario)


MEANINGLESS: list[tuple[Callable[[LiveCall], object], type[AskfirstError]]] = [
    (lambda live: live.consent("agreed", "keypad"), InvalidInput),
    (lambda live: live.consent("informed", "announcement"), InvalidInput),
    (lambda live: live.consent("maybe"), InvalidInput),
    (lambda live: live.consent("agreed", party=0), InvalidInput),
    (lambda live: live.consent("refused", party=7), InvalidInput),
    (lambda live: live.consent("refused", "announcement"), InvalidInput),
    (lambda live: live.consent("refused", past="keep"), InvalidInput),
    (lambda live: live.consent("withdrawn", past="sell"), InvalidInput),
    (lambda live: live.hold("because Anna said so"), InvalidInput),
    (lambda live: live.release("hold_" + "0" * 32), NotFound),
    (lambda live: live.release("peer"), NotFound),
    (lambda live: live.learn_place(9, "NO"), InvalidInput),
    (lambda live: live.learn_place(1, "Norway"), InvalidInput),
    (lambda live: live.learn_place(1, "NO", "guessed"), InvalidInput),
]


def test_what_nobody_can_mean_is_refused_and_changes_nothing(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        await until(live, has(state="asking"))
        before = live.call.facts
        for act, error in MEANINGLESS:
            with pytest.raises(error):
                act(live)
            assert live.call.facts == before

    called(node, tmp_path, LONG, scenario)


# What is never recorded


@pytest.mark.parametrize("read", [None, 1])
def test_an_agent_who_has_not_read_the_present_notice_is_never_recorded(
    node: Node, kari: User, tmp_path: Path, read: int | None
) -> None:
    ola = agent(node, "ola", notice=read)
    seen: list[State] = []

    async def scenario(desk: Desk) -> None:
        live = await desk.place(ola, NORWAY, MemoryLeg())
        watching = asyncio.create_task(collect(live))
        await until(live, has(answered=True))
        live.record()
        live.consent("agreed")
        assert has(state="blocked", because="not-acknowledged")(live.state())
        await live.hangup()
        seen.extend(await watching)

    called(node, tmp_path, ASKED, scenario)
    assert {shown["light"] for shown in seen} <= {"off", "waiting"}
    assert rig.recording_rows(node.store) == []


def test_where_the_account_has_no_notice_yet_nobody_has_read_it(node: Node, tmp_path: Path) -> None:
    with transaction(node.store.engine) as connection:
        change(connection, {**SETTINGS, "notice_version": 0}, None, AT)
    ola = agent(node, "ola", notice=None)

    async def scenario(desk: Desk) -> None:
        live = await desk.place(ola, NORWAY, MemoryLeg())
        shown = await until(live, has(answered=True, state="blocked"))
        assert shown["because"] == "not-acknowledged"

    called(node, tmp_path, LONG, scenario)


def test_switching_recording_off_ends_a_recording_and_on_does_not_bring_it_back(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        live.record()
        await until(live, has(light="recording"))

        desk.switch_recording(False)
        assert has(light="off", because="switched-off")(live.state())
        desk.switch_recording(True)
        assert live.state()["light"] == "off"
        shown = await until(live, lambda shown: shown["because"] != "sealing")
        assert has(light="off", because="not-wanted")(shown)

        live.record()
        assert live.state()["light"] == "recording"
        live.stop()
        assert live.state()["light"] == "off"

    called(node, tmp_path, ASKED, scenario)


def test_a_switch_set_while_it_rings_or_while_it_is_being_placed_counts(
    node: Node, kari: User, tmp_path: Path
) -> None:
    ola = agent(node, "ola")

    async def scenario(desk: Desk) -> None:
        ringing = await desk.place(kari, NORWAY, MemoryLeg())
        placing = asyncio.create_task(desk.place(ola, NORWAY, MemoryLeg()))
        await LoopClock().sleep_until(0)  # lets it begin
        assert desk.of(ola.id) is None
        desk.switch_recording(False)
        for live in (ringing, await placing):
            assert (await until(live, has(answered=True)))["because"] == "switched-off"

    called(node, tmp_path, LONG, scenario)


def test_a_fault_of_the_program_shuts_the_gate_and_ends_the_call(
    node: Node, kari: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Call, leg: object) -> None:
        raise RuntimeError

    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        last = (await collect(live))[-1]
        assert has(state="ended", light="off", settled=True)(last)
        assert live.has_ended
        assert desk.all() == ()

    monkeypatch.setattr(Call, "run", broken)
    called(node, tmp_path, LONG, scenario)


def test_the_light_is_off_for_facts_that_nothing_is_known_of() -> None:
    assert light(Facts()) == "off"
    assert light(Facts(is_wanted=True)) == "waiting"
    assert light(Facts(is_wanted=True, has_ended=True)) == "off"


def test_a_contact_who_is_never_to_be_recorded_is_not_whatever_the_agent_says(
    node: Node, kari: User, tmp_path: Path
) -> None:
    with transaction(node.store.engine) as connection:
        made = contacts.add(connection, Draft("Anna", numbers=(Number(NORWAY),)), AT)
        contacts.never_record(connection, made, kari.id, AT)

    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        await until(live, has(answered=True))
        live.record()
        live.consent("agreed")
        shown = await until(live, has(wanted=True))
        assert (shown["decision"]["mode"], shown["light"]) == ("forbid", "off")
        await live.hangup()
        assert "recording" not in {each["light"] for each in await collect(live)}

    called(node, tmp_path, LONG, scenario)
    assert rig.recording_rows(node.store) == []


# What goes well


def test_a_keyed_yes_lights_the_light_and_the_recording_is_stored(node: Node, kari: User) -> None:
    number = packaged_personas()["presses-one"].number
    seen: list[State] = []
    ids: list[str] = []

    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, number, MemoryLeg(), persona="presses-one")
        ids.append(live.id)
        assert desk.get(live.id) is live
        assert (live.user_id, live.team) == (kari.id, kari.team)
        watching = asyncio.create_task(collect(live))
        # Nothing is offered while the announcement plays, so the next sentence is after the key.
        await until(live, lambda shown: bool(shown["sentences"]))
        await live.say(live.sentences()[0].id)
        live.record()
        await converse(live, {})
        seen.extend(await watching)

    at_desk(node, scenario)
    node.jobs.wait()

    (consent,) = rig.rows(node.store, consents.select())
    first = next(shown for shown in seen if shown["light"] == "recording")
    before = seen[: seen.index(first)]
    assert (consent.how, consent.proof) == ("keypad", 4)
    assert first["at_ms"] >= consent.at_ms
    assert {shown["light"] for shown in before} == {"off", "waiting"}
    assert any(shown["telling"] == "announcement" for shown in before)
    assert all((shown["light"] == "recording") == (shown["state"] == "open") for shown in seen)
    decision = first["decision"]
    assert (decision["id"], decision["mode"], decision["asks"]) == (ids[0], "ask", True)
    assert decision["say"]["text"].startswith("Harbor Supply")
    assert [party["places"] for party in first["parties"]] == [["US-TX"], ["NO"]]
    assert rig.openings(node.store, ids[0])[0] >= consent.at_ms
    (row,) = rig.recording_rows(node.store, ids[0])
    assert row.state == "ready"
    assert row.first_contact_ms >= consent.at_ms
    assert row.expires_at - row.created_at == timedelta(days=30)
    call = rig.call_row(node.store, ids[0])
    assert (call.agent, call.persona) == (kari.id, "presses-one")
    assert (call.policy["purpose"], call.policy["lawful_basis"]) == ("training", None)


def test_the_agents_word_lights_the_light_after_the_telling_and_not_during_it(
    node: Node, kari: User
) -> None:
    seen: list[State] = []
    ids: list[str] = []

    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, CALIFORNIA, MemoryLeg(), persona="agrees")
        ids.append(live.id)
        watching = asyncio.create_task(collect(live))
        await converse(live, {1: live.telling, 3: lambda: live.consent("agreed")})
        seen.extend(await watching)

    at_desk(node, scenario)
    node.jobs.wait()

    (consent,) = rig.rows(node.store, consents.select())
    told = [shown for shown in seen if shown["telling"] == "agent"]
    lit = [shown for shown in seen if shown["light"] == "recording"]
    assert {shown["light"] for shown in told} == {"waiting"}
    assert lit[0]["at_ms"] >= consent.at_ms
    assert max(shown["at_ms"] for shown in told) <= lit[0]["at_ms"]
    (row,) = rig.recording_rows(node.store, ids[0])
    assert row.first_contact_ms >= consent.at_ms


def test_a_hold_puts_the_light_out_until_it_is_released_and_an_objection_for_good(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        live.record()
        await until(live, has(light="recording"))

        hold = live.hold("card-number")
        assert has(light="off", because="paused", holds=[hold])(live.state())
        live.release(hold)
        assert has(light="recording", holds=[])(live.state())

        live.consent("withdrawn", "spoken")
        shown: State = live.state()
        assert has(light="off", because="withdrawn")(shown)
        assert shown["parties"][1]["said_no"]
        live.record()
        assert live.state()["light"] == "off"
        assert not live.has_ended, "a no never ends a call"

    called(node, tmp_path, ASKED, scenario)
    node.jobs.wait()
    assert {row.state for row in rig.recording_rows(node.store)} == {"erased"}


def test_a_recording_that_started_by_itself_can_be_undone_and_one_that_was_asked_for_says_so(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NEW_YORK, MemoryLeg())
        shown = await until(live, has(light="recording"))
        assert shown["by_itself"]
        await asyncio.sleep(1)

        live.undo()
        assert has(light="off", because="not-wanted", by_itself=False)(live.state())
        assert not any(each["said_no"] for each in live.state()["parties"])  # type: ignore[attr-defined]
        assert not live.has_ended
        live.record()
        assert has(light="recording", by_itself=False)(await until(live, has(light="recording")))

    called(node, tmp_path, LONG, scenario, NEW_YORK)
    node.jobs.wait()
    assert "erased" in {row.state for row in rig.recording_rows(node.store)}


def test_a_recording_that_goes_on_after_a_pause_did_not_start_by_itself(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NEW_YORK, MemoryLeg())
        await until(live, has(light="recording"))
        await asyncio.sleep(1)
        live.release(live.hold())
        assert has(light="recording", by_itself=False)(live.state())

    called(node, tmp_path, LONG, scenario, NEW_YORK)


def test_a_recording_that_is_a_duty_cannot_be_undone(
    node: Node, kari: User, tmp_path: Path
) -> None:
    with transaction(node.store.engine) as connection:
        change(connection, {"wishes": {"mandatory_recording": "mifid2"}}, None, AT)

    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NEW_YORK, MemoryLeg())
        await until(live, has(answered=True))
        live.record()
        before = live.state()["light"]
        with pytest.raises(Refused, match="must be recorded"):
            live.undo()
        assert has(light=before, by_itself=False, wanted=True)(live.state())

    called(node, tmp_path, LONG, scenario, NEW_YORK)
    assert [row for row in rig.recording_rows(node.store) if row.state == "erased"] == []


def test_a_place_learned_puts_the_light_out_until_the_law_of_it_is_met(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        live.record()
        await until(live, has(light="recording"))
        live.learn_place(1, "DE")
        shown: State = live.state()
        assert shown["light"] == "waiting"
        assert shown["parties"][1]["places"] == ["DE", "NO"]

    called(node, tmp_path, ASKED, scenario)


def test_keys_mute_and_a_lost_link_reach_the_line_and_the_page(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        leg = MemoryLeg()
        live = await desk.place(kari, NORWAY, leg)
        await until(live, lambda shown: bool(shown["sentences"]))
        with pytest.raises(InvalidInput):
            await live.keypad("x")
        await live.keypad("42#")
        live.mute(True)
        assert has(muted=True, sentences=[])(live.state())
        live.mute(False)
        assert live.state()["sentences"]
        leg.is_connected = False
        assert (await until(live, has(connected=False)))["state"] != "ended"

    called(node, tmp_path, (HELLO, AGENT, *LONG), scenario)


def test_two_agents_at_once_do_not_see_each_others_calls(
    node: Node, kari: User, tmp_path: Path
) -> None:
    ola = agent(node, "ola")
    personas = {
        "north": rig.callee(tmp_path / "north", *ASKED, number=NORWAY),
        "west": rig.callee(tmp_path / "west", *LONG, number=CALIFORNIA),
    }

    async def scenario(desk: Desk) -> None:
        mine, other = await asyncio.gather(
            desk.place(kari, NORWAY, MemoryLeg()), desk.place(ola, CALIFORNIA, MemoryLeg())
        )
        watching = asyncio.create_task(collect(other))
        mine.record()
        await until(mine, has(light="recording"))

        assert desk.of(kari.id) is mine
        assert desk.of(ola.id) is other
        assert set(desk.all()) == {mine, other}
        await mine.hangup()
        assert not other.has_ended
        await other.hangup()
        seen = await watching
        assert {shown["call"] for shown in seen} == {other.id}
        assert {shown["light"] for shown in seen} == {"off"}

    at_desk(node, scenario, personas, prompts=rig.prompt)
    agents = {row.id: row.agent for row in rig.rows(node.store, calls.select())}
    assert sorted(agents.values()) == sorted([kari.id, ola.id])


# Those who watch


def test_every_watcher_sees_a_growing_sequence_and_a_slow_one_the_newest(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        quick = [asyncio.create_task(collect(live)) for _ in range(2)]
        slow = live.events()
        first: State = await anext(slow)
        live.record()
        await until(live, has(light="recording"))
        second: State = await anext(slow)
        assert second["light"] == "recording"
        assert second["sequence"] > first["sequence"] + 1
        await live.hangup()
        rest = [shown async for shown in slow]

        one, other = await asyncio.gather(*quick)
        assert one == other
        sequences = [shown["sequence"] for shown in one]
        assert sequences == sorted(set(sequences))
        assert one[-1] == rest[-1]
        assert rest[-1]["settled"]

    called(node, tmp_path, ASKED, scenario)


def test_closing_ends_and_settles_every_call_and_none_is_made_any_more(
    node: Node, kari: User, tmp_path: Path
) -> None:
    ola = agent(node, "ola")

    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        placing = asyncio.create_task(desk.place(ola, NORWAY, MemoryLeg()))
        await LoopClock().sleep_until(0)  # lets it begin
        await desk.close()
        assert live.state()["settled"]
        assert desk.all() == ()
        for late in (placing, desk.place(kari, NORWAY, MemoryLeg())):
            with pytest.raises(Refused, match="ending"):
                await late

    called(node, tmp_path, LONG, scenario)
    (row,) = rig.rows(node.store, calls.select())
    assert row.ended_at is not None
