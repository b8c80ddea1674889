"""Standing consents in calls: proof 6 where they cover everything owed, asking as always elsewhere.

Each call goes over the simulator. Whoever has signed nothing that fits presses 1 after the
announcement, so a call that was asked ends with proof 4 and not with 6.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.deskrig import ASKED, LONG, called, has, until
from tests.server.people import draft, meet
from tests.server.rig import CALIFORNIA, HELLO, NO, NORWAY, WAIT, pause
from tests.server.standingrig import GERMANY, filing, signed, taken_back, today

from askfirst.clock import LoopClock
from askfirst.errors import Unavailable
from askfirst.model import Element, Party, Purpose, Role, Use
from askfirst.server import objections, standingcall, standingconsents
from askfirst.server.accounts import User
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, consents, reading, recordings, transaction
from askfirst.server.desk import Desk
from askfirst.server.erasurelist import Listed
from askfirst.server.livecall import LiveCall
from askfirst.server.node import Node
from askfirst.server.standingconsents import Standing
from askfirst.server.store import Store
from askfirst.server.subjectrights import Who, erase_person
from askfirst.telephony.memoryleg import MemoryLeg

WASHINGTON = "+12065550142"
REFUSES = (WAIT, pause(500), NO, *[HELLO] * 30)
TALKS = (*[HELLO] * 60,)
Course = Callable[[LiveCall], Awaitable[None]]


async def nothing(live: LiveCall) -> None:
    """Let the call go on."""


async def some_ms(ms: int) -> None:
    clock = LoopClock()
    await clock.sleep_until(clock.now_ms() + ms)


def carried(
    node: Node,
    user: User,
    folder: Path,
    number: str,
    course: Course = nothing,
    steps: tuple[str, ...] = ASKED,
) -> Any:
    """The row of a call in which Record was pressed, once it is over and its jobs are done."""

    async def scenario(desk: Desk) -> None:
        live = await desk.place(user, number, MemoryLeg())
        await until(live, has(answered=True))
        live.record()
        await course(live)
        if not live.has_ended:
            await some_ms(6_000)
            await live.hangup()
        await until(live, has(settled=True))

    called(node, folder, steps, scenario, number)
    node.jobs.dispatch()
    node.jobs.wait()
    (row,) = rig.rows(node.store, calls.select())
    return row


def answers(store: Store) -> list[tuple[str, str, int]]:
    """Kind, how and proof of every answer, in order."""
    found = rig.rows(store, sa.select(consents).order_by(consents.c.ledger))
    return [(row.kind, row.how, row.proof) for row in found]


def kinds(store: Store) -> list[str]:
    """Kinds of the entries of the one call, in order."""
    (call,) = rig.rows(store, calls.select())
    return [str(entry["kind"]) for _, entry in store.ledger.entries(call.id)]


def is_withdrawn(store: Store, consent: str) -> bool:
    with reading(store.engine) as connection:
        found = standingconsents.get(store.erasures, connection, consent)
    return found.standing(today()) is Standing.WITHDRAWN


@pytest.mark.parametrize("number", [CALIFORNIA, GERMANY])
def test_whoever_has_signed_is_recorded_with_proof_6_and_not_asked(
    node: Node, kari: User, tmp_path: Path, number: str
) -> None:
    consent = signed(node.store, kari, number)
    row = carried(node, kari, tmp_path, number, steps=TALKS)
    assert (row.outcome, row.proof) == ("recorded", 6)
    assert answers(node.store) == [("agreed", "written", 6)]
    (answer,) = rig.rows(node.store, consents.select())
    assert answer.standing == consent.id
    found = kinds(node.store)
    assert "notice.started" not in found
    assert found.index("consent.given") < found.index("recording.opened")
    (recording,) = rig.rows(node.store, recordings.select())
    assert recording.state == "ready"
    assert recording.may_transcribe


@pytest.mark.parametrize(("number", "proof"), [(CALIFORNIA, 3), (GERMANY, 4)])
def test_whoever_has_signed_nothing_is_told_or_asked(
    node: Node, kari: User, tmp_path: Path, number: str, proof: int
) -> None:
    assert carried(node, kari, tmp_path, number).proof == proof
    assert "notice.started" in kinds(node.store)


def without(element: Element) -> frozenset[Element]:
    return filing().elements - {element}


UNFIT: dict[str, dict[str, Any]] = {
    "for another purpose": {"purposes": frozenset({Purpose.QUALITY})},
    "for recording alone": {"uses": frozenset({Use.RECORD})},
    "not asking for consent": {"elements": without(Element.CONSENT_REQUEST)},
    "not saying that it is recorded": {"elements": without(Element.INTENT_TO_RECORD)},
    "from tomorrow on": {
        "given_on": today() + timedelta(days=1),
        "ends_on": today() + timedelta(days=9),
    },
}


@pytest.mark.parametrize("changes", UNFIT.values(), ids=UNFIT)
def test_what_does_not_cover_the_call_is_not_reported(
    node: Node, kari: User, tmp_path: Path, changes: dict[str, Any]
) -> None:
    signed(node.store, kari, GERMANY, **changes)
    row = carried(node, kari, tmp_path, GERMANY)
    assert row.proof == 4
    assert [how for _, how, _ in answers(node.store)] == ["keypad"]


def test_what_has_expired_is_not_reported(node: Node, kari: User, tmp_path: Path) -> None:
    consent = signed(node.store, kari, GERMANY)
    yesterday = today() - timedelta(days=1)
    with node.store.engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE standing_consents SET given_on = :day, ends_on = :day"),
            {"day": yesterday.isoformat()},
        )
    assert carried(node, kari, tmp_path, GERMANY).proof == 4
    assert not is_withdrawn(node.store, consent.id)


def test_what_was_withdrawn_before_the_call_is_not_reported(
    node: Node, kari: User, tmp_path: Path
) -> None:
    taken_back(node.store, signed(node.store, kari, GERMANY).id)
    assert carried(node, kari, tmp_path, GERMANY).proof == 4


def test_what_a_backup_of_the_database_brings_back_stays_withdrawn(
    node: Node, kari: User, tmp_path: Path
) -> None:
    consent = signed(node.store, kari, GERMANY)
    node.store.erasures.add(Listed.WITHDRAWN, [consent.id], utc_now())
    assert carried(node, kari, tmp_path, GERMANY).proof == 4
    assert is_withdrawn(node.store, consent.id)


def test_it_speaks_for_the_numbers_that_it_names_and_for_no_other_of_the_contact(
    node: Node, kari: User, tmp_path: Path
) -> None:
    contact = meet(node.store, draft("Ada Lovelace", NORWAY, GERMANY))
    standingconsents.file(node.store, contact, filing(numbers=(NORWAY,)), kari.id, utc_now())
    assert carried(node, kari, tmp_path, GERMANY).proof == 4


def test_where_the_law_wants_the_notice_inside_the_recording_paper_is_not_enough(
    node: Node, kari: User, tmp_path: Path
) -> None:
    signed(node.store, kari, WASHINGTON)
    assert carried(node, kari, tmp_path, WASHINGTON).proof < 6


def test_nothing_is_recorded_that_nobody_wants_whatever_was_signed(
    node: Node, kari: User, tmp_path: Path
) -> None:
    signed(node.store, kari, GERMANY)

    async def stops(live: LiveCall) -> None:
        live.stop()

    assert carried(node, kari, tmp_path, GERMANY, stops, LONG).outcome != "recorded"


def test_a_new_place_that_it_does_not_cover_shuts_the_gate_until_they_agree(
    node: Node, kari: User, tmp_path: Path
) -> None:
    there = frozenset({Element.INTENT_TO_RECORD, Element.TRANSCRIPTION_AI})
    signed(node.store, kari, CALIFORNIA, elements=there)
    seen: list[str] = []

    async def moves(live: LiveCall) -> None:
        await until(live, has(light="recording"))
        live.learn_place(1, "FR")
        seen.append(str(live.state()["light"]))
        await until(live, has(light="recording"))

    row = carried(node, kari, tmp_path, CALIFORNIA, moves)
    assert seen == ["waiting"]
    assert row.proof == 4
    assert [how for _, how, _ in answers(node.store)] == ["written", "keypad"]


def test_whoever_comes_after_them_on_the_line_gets_nothing_of_it(
    node: Node, kari: User, tmp_path: Path
) -> None:
    signed(node.store, kari, GERMANY)
    seen: list[str] = []

    async def changes(live: LiveCall) -> None:
        await until(live, has(light="recording"))
        live.join(None)
        await until(live, lambda shown: len(shown["parties"]) == 3)
        await some_ms(300)
        seen.append(str(live.state()["light"]))

    carried(node, kari, tmp_path, GERMANY, changes, LONG)
    assert seen == ["waiting"]
    assert answers(node.store) == [("agreed", "written", 6)]


def test_whoever_joins_by_a_number_for_which_they_signed_need_not_be_asked(
    node: Node, kari: User, tmp_path: Path
) -> None:
    signed(node.store, kari, GERMANY)
    signed(node.store, kari, NORWAY)

    async def joins(live: LiveCall) -> None:
        await until(live, has(light="recording"))
        live.join(NORWAY)
        await until(live, lambda shown: len(shown["parties"]) == 3)
        await until(live, has(light="recording"))

    row = carried(node, kari, tmp_path, GERMANY, joins, TALKS)
    assert row.proof == 6
    assert answers(node.store) == [("agreed", "written", 6)] * 2


def test_a_machine_has_signed_nothing(node: Node, kari: User, tmp_path: Path) -> None:
    signed(node.store, kari, GERMANY)
    row = carried(node, kari, tmp_path, GERMANY, steps=('answer="machine"', *TALKS))
    assert row.outcome == "blocked"
    assert rig.rows(node.store, recordings.select()) == []


def test_a_no_in_the_call_takes_back_what_they_signed(
    node: Node, kari: User, tmp_path: Path
) -> None:
    consent = signed(node.store, kari, GERMANY)

    async def objects(live: LiveCall) -> None:
        await until(live, has(light="recording"))
        await some_ms(500)
        live.consent("withdrawn", "spoken")
        live.learn_place(1, "NO")  # decided again, and nothing is reported again
        await some_ms(1_000)

    row = carried(node, kari, tmp_path, GERMANY, objects, LONG)
    assert row.outcome == "erased"
    assert is_withdrawn(node.store, consent.id)
    assert [kind for kind, _, _ in answers(node.store)] == ["agreed", "withdrawn"]


def test_a_refusal_by_key_takes_back_what_they_signed_for_something_else(
    node: Node, kari: User, tmp_path: Path
) -> None:
    consent = signed(node.store, kari, GERMANY, purposes=frozenset({Purpose.QUALITY}))
    assert carried(node, kari, tmp_path, GERMANY, steps=REFUSES).outcome == "refused"
    assert is_withdrawn(node.store, consent.id)


def test_an_unknown_person_who_says_no_takes_back_what_those_before_them_signed(
    node: Node, kari: User, tmp_path: Path
) -> None:
    consent = signed(node.store, kari, GERMANY)

    async def changes(live: LiveCall) -> None:
        await until(live, has(light="recording"))
        party = live.call.join("contact", Party(Role.CONTACT))
        live.consent("refused", "spoken", party)

    carried(node, kari, tmp_path, GERMANY, changes, LONG)
    assert is_withdrawn(node.store, consent.id)


def test_an_objection_takes_back_what_they_signed(node: Node, kari: User) -> None:
    store, consent = node.store, signed(node.store, kari, GERMANY)
    with transaction(store.engine) as connection:
        objections.never(store, connection, consent.contact, kari.id, utc_now())
        objections.end(store.erasures, connection, consent.contact, kari.id, utc_now())
        assert standingconsents.scopes_for(store.erasures, connection, GERMANY) == ()
    assert is_withdrawn(store, consent.id)


def test_a_withdrawal_by_whoever_else_stops_a_running_recording_within_a_moment(
    node: Node, kari: User, tmp_path: Path
) -> None:
    consent = signed(node.store, kari, GERMANY)
    stopped_ms: list[int] = []

    async def is_withdrawn_elsewhere(live: LiveCall) -> None:
        await until(live, has(light="recording"))
        await some_ms(500)
        thread = threading.Thread(target=taken_back, args=(node.store, consent.id))
        thread.start()
        await asyncio.to_thread(thread.join)
        began_ms = live.call.now_ms()
        await until(live, has(because="withdrawn"))
        stopped_ms.append(live.call.now_ms() - began_ms)

    row = carried(node, kari, tmp_path, GERMANY, is_withdrawn_elsewhere, LONG)
    assert row.outcome == "erased"
    assert stopped_ms[0] <= 220
    assert answers(node.store)[-1] == ("withdrawn", "on-file", 0)


def test_a_withdrawal_while_it_rings_keeps_the_gate_shut(
    node: Node, kari: User, tmp_path: Path
) -> None:
    consent = signed(node.store, kari, GERMANY)
    seen: list[str] = []

    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, GERMANY, MemoryLeg())
        await asyncio.to_thread(taken_back, node.store, consent.id)
        async for shown in live.events():
            seen.append(str(shown["state"]))
            if shown["because"] == "withdrawn":
                break
        live.record()
        await some_ms(500)
        await live.hangup()
        await until(live, has(settled=True))

    called(node, tmp_path, LONG, scenario, GERMANY)
    assert "open" not in seen
    assert rig.rows(node.store, sa.select(recordings).where(recordings.c.state != "erased")) == []


def test_erasing_the_person_stops_a_running_recording_that_rests_on_it(
    node: Node, kari: User, tmp_path: Path
) -> None:
    consent = signed(node.store, kari, GERMANY)

    async def is_erased(live: LiveCall) -> None:
        await until(live, has(light="recording"))
        person = Who(consent.contact, (GERMANY,))
        await asyncio.to_thread(erase_person, node.store, person, kari.id, utc_now(), dry_run=False)
        await until(live, has(because="withdrawn"))

    assert carried(node, kari, tmp_path, GERMANY, is_erased, LONG).outcome == "erased"


def test_the_gate_shuts_while_nobody_can_say_whether_it_still_stands(
    node: Node, kari: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed(node.store, kari, GERMANY)

    def unavailable(*_: object) -> bool:
        raise Unavailable("the disk is gone")

    async def breaks(live: LiveCall) -> None:
        await until(live, has(light="recording"))
        monkeypatch.setattr(standingcall, "all_stand", unavailable)
        await until(live, has(because="failed"))

    assert carried(node, kari, tmp_path, GERMANY, breaks, LONG).outcome == "failed"
